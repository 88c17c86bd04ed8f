"""Draw how the scores of each unit differ between ways to infer spikes, or between networks."""

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
    reference: Annotated[str | None, typer.Option(help="Compared with each other method.")] = None,
    shared: Annotated[
        str | None,
        typer.Option(help="Model for all units: compare it with networks of single units."),
    ] = None,
    split: Annotated[str, typer.Option(help="Name of the bins that were scored.")] = "test",
) -> None:
    """Read the scores and write the figure."""
    every = pd.concat([read_table(path, "scores") for path in scores], ignore_index=True)
    if shared is not None:
        every = every[every["method"] == reference]
        alone = every["model"].str.startswith(ALONE)
        every = every[alone | (every["model"] == shared)]
        every = every.assign(model=every["model"].mask(alone, "one a unit"))
        reference = f"{reference}, {shared}"
    table = distance_pairs_table(recording, [every], reference=reference, split=split)
    save_figure(draw_distance_pairs(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
