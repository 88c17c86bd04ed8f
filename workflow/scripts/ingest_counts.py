"""Turn a matrix of spike counts, and the tables beside it, into a recording's tables."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.ingest.counts import read_counts
from spikesieve.ingest.writing import write_recording

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    path: Annotated[Path, typer.Argument(help="The counts (npz, npy, parquet or csv).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    folder: Annotated[Path, typer.Option(help="Folder to write the tables to.")],
    bin_ms: Annotated[float, typer.Option(help="Width of a bin in ms.")],
    layout: Annotated[str | None, typer.Option(help="bins_by_units or units_by_bins.")] = None,
    units: Annotated[Path | None, typer.Option(help="Unit table (csv, parquet).")] = None,
    intervals: Annotated[Path | None, typer.Option(help="Interval table, in seconds.")] = None,
    bins: Annotated[Path | None, typer.Option(help="Table with one row a bin.")] = None,
    subject: Annotated[str | None, typer.Option(help="Animal or donor.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Checksum of the counts.")] = None,
) -> None:
    """Turn a matrix of spike counts, and the tables beside it, into a recording's tables."""
    source = read_counts(
        path,
        recording=recording,
        bin_ms=bin_ms,
        layout=layout,
        units=units,
        intervals=intervals,
        bins=bins,
        subject=subject,
        sha256=sha256,
    )
    write_recording(folder, source)


if __name__ == "__main__":
    app()
