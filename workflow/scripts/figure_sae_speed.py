"""Draw how long a training step of the sparse autoencoder takes, beside other packages."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.figures.sae_speed import draw_sae_speed, sae_speed_table
from spikesieve.figures.style import save_figure

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    ratios: Annotated[Path, typer.Argument(help="sae.csv of benchmark_sae.py.")],
    growth: Annotated[Path, typer.Argument(help="sae_growth.csv of benchmark_sae.py.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
) -> None:
    """Read the tables and write the figure."""
    table = sae_speed_table(pd.read_csv(ratios), pd.read_csv(growth))
    save_figure(draw_sae_speed(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
