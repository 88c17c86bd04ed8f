"""Draw the counts of inferred spikes in 100 ms against the true ones, for every method."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.distance_counts import (
    distance_counts_table,
    draw_distance_counts,
)
from spikesieve.figures.distance_trains import TRUTH, shown_methods
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    spikes: Annotated[Path, typer.Argument(help="inferred_spikes.parquet, 'truth' among them.")],
    inference: Annotated[Path, typer.Argument(help="inference.json beside it.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    split: Annotated[str, typer.Option(help="Name of the bins that were inferred.")] = "test",
) -> None:
    """Read the spikes and write the figure."""
    said = json.loads(inference.read_text())
    recording, about = next(iter(said["recordings"].items()))
    every = read_table(spikes, "inferred_spikes")
    every = every[every["recording"] == recording]
    true = every["method"] == TRUTH
    span = {name: about[name] for name in ("bin_s", "first_bin", "n_bins")}
    shown = {"methods": shown_methods(said.get("methods"), every[~true]), "split": split}
    table = distance_counts_table(recording, every[true], every[~true], **shown, **span)
    save_figure(draw_distance_counts(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
