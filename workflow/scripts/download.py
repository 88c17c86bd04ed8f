"""Download a file and check its SHA-256 before it appears."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.download import download

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    url: Annotated[str, typer.Argument(help="Where it is (https).")],
    path: Annotated[Path, typer.Argument(help="Where to put it.")],
    sha256: Annotated[str, typer.Option(help="The checksum that it must have.")],
) -> None:
    """Download a file and check its SHA-256 before it appears."""
    download(url, path, sha256=sha256)


if __name__ == "__main__":
    app()
