"""Try settings of the sparse autoencoder of one width and bin width, and score each."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.count_table import read_counts_table
from spikesieve.recording import write_table
from spikesieve.sae.sweep import sweep

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    trials: Annotated[Path, typer.Argument(help="Table of trials to write (Parquet).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    settings: Annotated[str, typer.Option(help="JSON: settings that all trials share.")],
    values: Annotated[str, typer.Option(help="JSON: setting, values to try.")],
    bin_ms: Annotated[float, typer.Option(help="Bin width of the counts, ms.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
    narrower: Annotated[int, typer.Option(help="Next narrower width tried; 0 for none.")] = 0,
) -> None:
    """Read the counts, write a row a trial."""
    table = sweep(
        read_counts_table(counts),
        json.loads(settings),
        json.loads(values),
        root_seed=root_seed,
        recording=recording,
        narrower=narrower,
    )
    if table.empty:
        print(f"Nothing to try: the bins are enough for {narrower} latents at most, tried already.")
    write_table(trials, "trials", table.assign(recording=recording, bin_ms=bin_ms))


if __name__ == "__main__":
    app()
