"""Choose the settings of a recording's dictionaries from the trials, without labels."""

import warnings
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.files import write_json
from spikesieve.recording import read_table, write_table
from spikesieve.sae.names import TRIED
from spikesieve.sae.selection import best

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    tables: Annotated[list[Path], typer.Argument(help="Tables of trials (Parquet).")],
    trials: Annotated[Path, typer.Option(help="Table of all trials to write.")],
    choice: Annotated[Path, typer.Option(help="JSON to write.")],
    bin_ms: Annotated[float, typer.Option(help="Bin width to choose for, ms.")],
) -> None:
    """Read the trials, write them as one table with the chosen one marked."""
    some = [one for path in tables if len(one := read_table(path, "trials"))]
    every = pd.concat(some, ignore_index=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        winner = best(every[every["bin_ms"] == bin_ms])
    # Beside what was chosen, where whoever reads it sees it; null where all is well.
    warning = " ".join(str(w.message) for w in said if w.category is UserWarning) or None
    if warning:
        print(warning)
    write_table(trials, "trials", every.assign(chosen=every.index == winner.name))
    chosen = {name: winner[name].item() for name in TRIED}
    by = winner.drop("wall_s").dropna().to_dict()
    write_json(choice, {"chosen": chosen, "by": by, "warning": warning})


if __name__ == "__main__":
    app()
