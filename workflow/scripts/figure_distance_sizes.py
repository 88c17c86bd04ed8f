"""Draw whether validation loss tells which size of a network gives the better spike trains."""

import json
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.figures.distance_sizes import distance_sizes_table, draw_distance_sizes
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[list[Path], typer.Argument(help="scores.parquet of each run.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="What was trained on.")],
    method: Annotated[str, typer.Option(help="How spikes were inferred.")],
) -> None:
    """Read scores, histories and sizes of each run, and write the figure."""
    parts = []
    for path in scores:
        table = read_table(path, "scores")
        history = read_table(path.parent / "history.parquet", "history")
        about = json.loads((path.parent / "model.json").read_text())
        sizes = {
            "n_parameters": about["n_parameters"],
            "validation_loss": history["validation_loss"].min(),
        }
        parts.append(table[table["method"] == method].assign(**sizes))
    table = distance_sizes_table(recording, pd.concat(parts, ignore_index=True))
    save_figure(draw_distance_sizes(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
