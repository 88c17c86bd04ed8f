"""Draw the scores of every way to infer spikes against the time scale, means over units."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.distance_scores import (
    distance_scores_table,
    draw_distance_scores,
)
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[list[Path], typer.Argument(help="scores.parquet of each run.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    split: Annotated[str, typer.Option(help="Name of the bins that were scored.")] = "test",
) -> None:
    """Read the scores and write the figure."""
    tables = [read_table(path, "scores") for path in scores]
    table = distance_scores_table(recording, tables, split=split)
    save_figure(draw_distance_scores(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
