"""Score every run on a simulated recording by the planted features that it found again."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.latents.planted_scores import planted_scores
from spikesieve.recording import write_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    truth: Annotated[Path, typer.Argument(help="truth.npz of the simulation.")],
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    latents: Annotated[list[Path], typer.Argument(help="latents.parquet of each run.")],
    metrics: Annotated[Path, typer.Option(help="Table to write (Parquet).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    bin_ms: Annotated[float, typer.Option(help="Bin width of the counts, ms.")],
) -> None:
    """Read truth and latents, write a row a run and score."""
    runs = [path.parent for path in latents]
    table = planted_scores(truth, counts, runs, recording=recording, bin_s=bin_ms / 1000)
    write_table(metrics, "metrics", table)


if __name__ == "__main__":
    app()
