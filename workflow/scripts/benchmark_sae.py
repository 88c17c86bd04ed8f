"""Time a training step of the sparse autoencoder against other packages, and as it grows."""

from pathlib import Path
from typing import Annotated, Optional

import pandas as pd
import typer

from spikesieve.files import atomic_path
from spikesieve.sae.benchmark import PEERS, Work, compare_peers, measure_growth, scaled_work

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="The table of ratios (csv) to write.")],
    growth: Annotated[Path, typer.Option(help="The table of growth (csv) to write.")],
    peers_python: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it
        typer.Option(
            envvar="SPIKESIEVE_PEERS_PYTHON",
            help="A Python that has envs/benchmark.txt; without it no peer is timed.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads for each contender.")] = 2,
    rounds: Annotated[int, typer.Option(help="Measured rounds; the median counts.")] = 7,
    large_rounds: Annotated[int, typer.Option(help="The same for 8192 latents.")] = 2,
) -> None:
    """The standard work under both losses that the peers share, and 8192 latents; then growth."""
    driver = Path(__file__).with_name("benchmark_sae_peer.py")
    common = {"n_threads": threads, "peers_python": peers_python, "driver": driver}
    standard = [Work(loss="mse"), Work(loss="msle")]
    large = {"peers": [p for p in PEERS if "train_model" not in p], "peer_steps": 1}
    tables = [
        compare_peers(standard, **common, rounds=rounds),
        compare_peers([scaled_work(8192)], **common, **large, rounds=large_rounds),
    ]
    grown = measure_growth(n_threads=threads, rounds=rounds)
    for table, path in ((pd.concat(tables), output), (grown, growth)):
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
