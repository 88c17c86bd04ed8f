"""Draw how many planted features of a simulated recording each method found."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.recovery import draw_recovery, recovery_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    metrics: Annotated[list[Path], typer.Argument(help="metrics.parquet of each run, in order.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the metrics and write the figure."""
    tables = [read_table(path, "metrics") for path in metrics]
    by_run = [run for t in tables for _, run in t.groupby(["method", "model", "seed"], sort=False)]
    table = recovery_table(recording, by_run)
    save_figure(draw_recovery(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
