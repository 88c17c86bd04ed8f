"""Write a recording as an NWB file."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.exports.nwb import write_nwb

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="The recording's folder.")],
    output: Annotated[Path, typer.Argument(help="The NWB file to write.")],
) -> None:
    """Read the recording and write it."""
    write_nwb(folder, output)


if __name__ == "__main__":
    app()
