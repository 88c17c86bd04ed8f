"""Draw true spikes of some units, and those that each method infers, for a few seconds."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.distance_rollout import (
    distance_rollout_table,
    draw_distance_rollout,
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
    seconds: Annotated[float, typer.Option(help="How much of it to draw.")] = 4.0,
    split: Annotated[str, typer.Option(help="Name of the bins that were inferred.")] = "test",
) -> None:
    """Read the spikes and write the figure."""
    said = json.loads(inference.read_text())
    recording, about = next(iter(said["recordings"].items()))
    every = read_table(spikes, "inferred_spikes")
    every = every[every["recording"] == recording]
    true = every["method"] == TRUTH
    span = {name: about[name] for name in ("bin_s", "first_bin", "n_bins")}
    methods = shown_methods(said.get("methods"), every[~true])
    shown = {"seconds": seconds, "methods": methods, "split": split}
    table = distance_rollout_table(recording, every[true], every[~true], **shown, **span)
    save_figure(draw_distance_rollout(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
