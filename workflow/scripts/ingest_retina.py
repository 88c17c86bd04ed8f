"""Turn the spike-distance paper's archive into a recording's tables."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.ingest.retina import read_retina
from spikesieve.ingest.writing import write_recording

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    path: Annotated[Path, typer.Argument(help="The archive (tar.gz).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    folder: Annotated[Path, typer.Option(help="Folder to write the tables to.")],
    subject: Annotated[str | None, typer.Option(help="Animal.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Checksum of the archive.")] = None,
) -> None:
    """Turn the spike-distance paper's archive into a recording's tables."""
    source = read_retina(path, recording=recording, subject=subject, sha256=sha256)
    write_recording(folder, source)


if __name__ == "__main__":
    app()
