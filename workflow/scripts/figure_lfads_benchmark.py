"""Draw what LFADS finds behind spikes of a Lorenz system."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.figures.lfads_benchmark import draw_lfads_benchmark, lfads_benchmark_table
from spikesieve.figures.style import save_figure

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[Path, typer.Argument(help="Scores of benchmark_lfads.py (csv).")],
    example: Annotated[Path, typer.Argument(help="Its table of one trial (csv).")],
    history: Annotated[Path, typer.Argument(help="Its table of the training (csv).")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
) -> None:
    """Read the tables and write the figure."""
    table = lfads_benchmark_table(*(pd.read_csv(path) for path in (scores, example, history)))
    save_figure(draw_lfads_benchmark(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
