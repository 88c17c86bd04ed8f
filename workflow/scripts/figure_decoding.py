"""Draw what is decoded from all latents of each method, and from raw counts."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.decoding import decoding_drawing_table, draw_decoding
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    decoding: Annotated[
        list[Path],
        typer.Argument(help="decoding.parquet of each method, confusion.parquet beside."),
    ],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the tables and write the figure."""
    scores = [read_table(path, "decoding") for path in decoding]
    confusions = [read_table(path.with_name("confusion.parquet"), "confusion") for path in decoding]
    table = decoding_drawing_table(recording, scores, confusions)
    save_figure(draw_decoding(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
