"""Draw the recovery benchmark: planted features found by every method in every tier."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.figures.recovery_benchmark import (
    draw_recovery_benchmark,
    recovery_benchmark_table,
)
from spikesieve.figures.style import save_figure

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[Path, typer.Argument(help="CSV: tier, method, seed, metric, value.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
) -> None:
    """Read the scores and write the figure."""
    table = recovery_benchmark_table(pd.read_csv(scores))
    save_figure(draw_recovery_benchmark(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
