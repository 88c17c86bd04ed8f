"""Write an ingested recording as a Kilosort 4 / Phy folder."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.exports.kilosort import write_kilosort

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the recording's tables.")],
    out: Annotated[Path, typer.Argument(help="Folder to write Kilosort's files to.")],
) -> None:
    """Write an ingested recording as a Kilosort 4 / Phy folder."""
    write_kilosort(folder, out)


if __name__ == "__main__":
    app()
