"""Time whole-recording distances against a pass a spike, the sieve against plain Python."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from spikesieve.distance.benchmark import compare_em, compare_transform, noisy_windows
from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="The table (csv) to write.")],
    n_bins: Annotated[int, typer.Option(help="Length of the recording in bins.")] = 892_862,
    rate_hz: Annotated[float, typer.Option(help="Rate of the busiest unit.")] = 20.0,
    n_windows: Annotated[int, typer.Option(help="Windows of 128 bins for the sieve.")] = 1024,
    repeats: Annotated[int, typer.Option(help="Measured rounds; the median counts.")] = 3,
) -> None:
    """Make spikes and noisy windows, take turns, write the ratios."""
    random = np.random.default_rng(0)
    spikes = (random.random(n_bins) < rate_hz / 992).astype(np.uint8)
    distance, last = noisy_windows(n_windows)
    tables = [compare_transform(spikes), compare_em(distance, last, repeats=repeats)]
    with atomic_path(output) as temporary:
        pd.concat(tables, ignore_index=True).to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
