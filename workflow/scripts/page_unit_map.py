"""Write the interactive page of a unit map: one file that needs no network."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.pages.document import write_page
from spikesieve.pages.unit_map import unit_map_page
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    unit_map: Annotated[Path, typer.Argument(help="unit_map.parquet.")],
    scores: Annotated[Path, typer.Argument(help="map_scores.parquet of the same map.")],
    averages: Annotated[
        list[Path], typer.Argument(help="stimulus_average.parquet of each recording in it.")
    ],
    page: Annotated[Path, typer.Option(help="The .html to write.")],
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Unit map",
) -> None:
    """Read the tables and write the page."""
    content = unit_map_page(
        read_table(unit_map, "unit_map"),
        read_table(scores, "map_scores"),
        pd.concat([read_table(path, "stimulus_average") for path in averages]),
        title=title,
    )
    write_page(page, content)


if __name__ == "__main__":
    app()
