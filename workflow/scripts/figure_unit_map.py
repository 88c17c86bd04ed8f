"""Draw a map of units by their embeddings, and its scores."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.style import save_figure
from spikesieve.figures.unit_map import draw_unit_map, unit_map_table
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    unit_map: Annotated[Path, typer.Argument(help="unit_map.parquet.")],
    scores: Annotated[Path, typer.Argument(help="map_scores.parquet of the same map.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="What is mapped, for the title.")],
) -> None:
    """Read the tables and write the figure."""
    table = unit_map_table(
        recording, read_table(unit_map, "unit_map"), read_table(scores, "map_scores")
    )
    save_figure(draw_unit_map(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
