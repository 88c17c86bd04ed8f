"""Compare all methods of a recording: a table of scores with paired differences, and its page."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.files import atomic_path
from spikesieve.latents.comparing import comparison_table
from spikesieve.pages.comparison import comparison_page
from spikesieve.pages.document import write_page
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    folders: Annotated[list[Path], typer.Argument(help="Meaning of each method, ours first.")],
    methods: Annotated[Path, typer.Option(help="Costs of methods (CSV).")],
    table: Annotated[Path, typer.Option(help="Table to write (CSV).")],
    page: Annotated[Path, typer.Option(help="Page to write (HTML).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read each method's tables of meaning, write how they compare."""
    names = ("features", "summary", "decoding")
    tables = [[read_table(folder / f"{n}.parquet", n) for folder in folders] for n in names]
    about = {"recording": recording, "ours": folders[0].name}
    compared = comparison_table(*tables, pd.read_csv(methods), **about)
    with atomic_path(table) as temporary:
        compared.to_csv(temporary, index=False)
    write_page(page, comparison_page(compared, **about))


if __name__ == "__main__":
    app()
