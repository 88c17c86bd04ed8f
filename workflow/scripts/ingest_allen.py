"""Turn an Allen Visual Coding Neuropixels session file into a recording's tables."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.ingest.allen import read_allen
from spikesieve.ingest.writing import write_recording

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    path: Annotated[Path, typer.Argument(help="The session file.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    folder: Annotated[Path, typer.Option(help="Folder to write the tables to.")],
    subject: Annotated[str | None, typer.Option(help="Animal or donor.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Checksum of the file.")] = None,
) -> None:
    """Read, check and write."""
    source = read_allen(path, recording=recording, subject=subject, sha256=sha256)
    write_recording(folder, source)


if __name__ == "__main__":
    app()
