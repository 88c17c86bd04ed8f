"""Draw the best latents of a model: tuning, when they are active, their units."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.feature_gallery import draw_feature_gallery, feature_gallery_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    summary: Annotated[Path, typer.Argument(help="summary.parquet of the model.")],
    tuning: Annotated[Path, typer.Argument(help="tuning.parquet of the model.")],
    triggered: Annotated[Path, typer.Argument(help="triggered.parquet of the model.")],
    sources: Annotated[Path, typer.Argument(help="sources.parquet of the model.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the tables and write the figure."""
    paths = {"summary": summary, "tuning": tuning, "triggered": triggered, "sources": sources}
    tables = {name: read_table(path, name) for name, path in paths.items()}
    table = feature_gallery_table(recording, **tables)
    save_figure(draw_feature_gallery(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
