"""Draw one network for all units against a network for each of some units, unit by unit."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.distance.config import ALONE
from spikesieve.figures.distance_pairs import distance_pairs_table, draw_distance_pairs
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[list[Path], typer.Argument(help="scores.parquet of each run.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="What was trained on.")],
    method: Annotated[str, typer.Option(help="How spikes were inferred.")],
    shared: Annotated[str, typer.Option(help="Name of the model for all units.")],
) -> None:
    """Read the scores, join the networks of single units, and write the figure."""
    every = pd.concat([read_table(path, "scores") for path in scores], ignore_index=True)
    every = every[every["method"] == method]
    single = every["model"].str.startswith(ALONE)
    every = every[single | (every["model"] == shared)]
    every = every.assign(model=every["model"].mask(single, "one a unit"))
    reference = f"{method}, {shared}"
    table = distance_pairs_table(recording, [every], reference=reference)
    save_figure(draw_distance_pairs(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
