"""Write a copy of a recording's NWB file with the latents of a model in it."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from spikesieve.count_table import read_counts_table
from spikesieve.exports.latents import first_run, known_bins, write_latents_nwb
from spikesieve.latents.reading import read_latents
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    source: Annotated[Path, typer.Argument(help="The NWB file to copy.")],
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    latents: Annotated[Path, typer.Argument(help="latents.parquet of the first seed's run.")],
    summary: Annotated[Path, typer.Argument(help="summary.parquet of the model.")],
    output: Annotated[Path, typer.Argument(help="The NWB file to write.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    bin_ms: Annotated[float, typer.Option(help="Bin width of the counts, ms.")],
) -> None:
    """Read the latents and what they mean, write them beside the recording."""
    binned = read_counts_table(counts)
    told = first_run(read_table(summary, "summary"))
    every = np.ones(len(binned.split), dtype=bool)
    activations = read_latents(latents, every, len(told))
    known = known_bins(binned.split)
    names = {"bin_s": bin_ms / 1000, "model": model}
    write_latents_nwb(source, output, activations, known, told, **names)


if __name__ == "__main__":
    app()
