"""Label every bin of a recording by what went on: stimuli, their conditions, signals."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.count_table import read_counts_table
from spikesieve.latents.conditions import conditions_table
from spikesieve.recording import read_table, write_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    intervals: Annotated[Path, typer.Argument(help="Table of intervals.")],
    signals: Annotated[Path, typer.Argument(help="Table of signals.")],
    output: Annotated[Path, typer.Argument(help="Table of conditions to write.")],
    bin_ms: Annotated[float, typer.Option(help="Bin width of the counts, ms.")],
    settings: Annotated[str, typer.Option(help="JSON: how labels are made.")],
) -> None:
    """Read what went on, write a row a bin and variable."""
    binned = read_counts_table(counts)
    table = conditions_table(
        read_table(intervals, "intervals"),
        read_table(signals, "signals"),
        binned.time_s,
        binned.split,
        bin_s=bin_ms / 1000,
        settings=json.loads(settings),
    )
    write_table(output, "conditions", table)


if __name__ == "__main__":
    app()
