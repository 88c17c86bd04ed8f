"""Draw the counts of inferred spikes in 100 ms against the true ones, for every method."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.figures.distance_counts import (
    distance_counts_table,
    draw_distance_counts,
)
from spikesieve.figures.distance_trains import TRUTH
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    spikes: Annotated[
        list[Path], typer.Argument(help="inferred_spikes.parquet, one also 'truth'.")
    ],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    bin_s: Annotated[float, typer.Option(help="Bin width in seconds.")],
    first_bin: Annotated[int, typer.Option(help="First bin that was inferred.")],
    n_bins: Annotated[int, typer.Option(help="How many bins were inferred.")],
    split: Annotated[str, typer.Option(help="Name of the bins that were inferred.")] = "test",
) -> None:
    """Read the spikes and write the figure."""
    every = pd.concat([read_table(path, "inferred_spikes") for path in spikes], ignore_index=True)
    true = every["method"] == TRUTH
    span = {"bin_s": bin_s, "first_bin": first_bin, "n_bins": n_bins}
    table = distance_counts_table(recording, every[true], every[~true], split=split, **span)
    save_figure(draw_distance_counts(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
