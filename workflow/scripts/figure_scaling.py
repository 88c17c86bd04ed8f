"""Draw time and memory of every method as bins and units grow."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.figures.scaling import draw_scaling, scaling_table
from spikesieve.figures.style import save_figure

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    costs: Annotated[Path, typer.Argument(help="Table of benchmark_methods.py (csv).")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
) -> None:
    """Read the costs and write the figure."""
    table = scaling_table(pd.read_csv(costs))
    save_figure(draw_scaling(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
