"""Join tables of the same columns (CSV) into one."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    tables: Annotated[list[Path], typer.Argument(help="Tables to read (CSV).")],
    joined: Annotated[Path, typer.Option(help="Table to write (CSV).")],
) -> None:
    """Read the tables, write them one after the other."""
    with atomic_path(joined) as temporary:
        pd.concat([pd.read_csv(path) for path in tables]).to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
