"""Turn a Kilosort or Phy folder into the project's tables."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.ingest.kilosort import read_kilosort
from spikesieve.ingest.writing import write_recording

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    path: Annotated[Path, typer.Argument(help="Folder that Kilosort or Phy wrote.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    folder: Annotated[Path, typer.Option(help="Folder to write the tables to.")],
    duration_s: Annotated[float | None, typer.Option(help="Length of the recording in s.")] = None,
    subject: Annotated[str | None, typer.Option(help="Animal or donor.")] = None,
) -> None:
    """Turn a Kilosort or Phy folder into the project's tables."""
    source = read_kilosort(path, recording=recording, duration_s=duration_s, subject=subject)
    write_recording(folder, source)


if __name__ == "__main__":
    app()
