"""Train one network for some units, and one for each, in the same total time; score both."""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from spikesieve.distance.amortisation import compare_amortisation
from spikesieve.distance.bins import read_bins, take_units
from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    bins: Annotated[Path, typer.Argument(help="bins.parquet of a recording.")],
    output: Annotated[Path, typer.Argument(help="The table (csv) to write.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    settings: Annotated[str, typer.Option(help="JSON: settings of the network for all.")],
    alone: Annotated[str, typer.Option(help="JSON: those that networks of one unit change.")],
    budget_s: Annotated[float, typer.Option(help="Processor time for each contender.")] = 240.0,
    n_units: Annotated[int, typer.Option(help="Units, the first by id.")] = 6,
    step: Annotated[int, typer.Option(help="Bins of each window that are used.")] = 80,
) -> None:
    """Read the bins, train for the budget, write the scores."""
    torch.set_num_threads(1)
    table = read_bins(bins, recording)
    own = json.loads(settings)
    contenders = {
        "one for all": own,
        "one a unit, same kind": own,
        "one a unit, U-Net": own | {"unit": "none"} | json.loads(alone),
    }
    found = compare_amortisation(
        take_units(table, table.unit_ids[:n_units].tolist()),
        contenders,
        shared="one for all",
        budget_s=budget_s,
        step=step,
    )
    with atomic_path(output) as temporary:
        found.to_csv(temporary, index=False)
    named = found[found["unit_id"] >= 0]
    print(named.groupby(["contender", "metric"])["value"].mean().unstack().round(3).to_string())


if __name__ == "__main__":
    app()
