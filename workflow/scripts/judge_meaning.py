"""Tell what a model's latents mean: names with proof, tuning, units, what can be decoded."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.count_table import read_counts_table
from spikesieve.latents.meaning import TABLES, meaning_tables
from spikesieve.recording import read_table, write_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    conditions: Annotated[Path, typer.Argument(help="Table of conditions.")],
    units: Annotated[Path, typer.Argument(help="Table of units.")],
    latents: Annotated[list[Path], typer.Argument(help="latents.parquet of each seed's run.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    model: Annotated[str, typer.Option(help="Name of the model or baseline.")],
    gap_s: Annotated[float, typer.Option(help="Time left out between blocks.")],
    settings: Annotated[str, typer.Option(help="JSON: how latents are judged.")],
    only_features: Annotated[bool, typer.Option(help="Write features.parquet alone.")] = False,
) -> None:
    """Read the runs, write their tables of meaning."""
    tables = meaning_tables(
        read_counts_table(counts),
        read_table(conditions, "conditions"),
        read_table(units, "units"),
        [path.parent for path in latents],
        recording=recording,
        model=model,
        gap_s=gap_s,
        settings=json.loads(settings),
        tables=("features",) if only_features else TABLES,
    )
    for name, table in tables.items():
        write_table(folder / f"{name}.parquet", name, table)


if __name__ == "__main__":
    app()
