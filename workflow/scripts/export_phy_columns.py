"""Write the units of each named feature as a column of clusters that Phy shows."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.exports.latents import first_run, write_phy_columns
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    summary: Annotated[Path, typer.Argument(help="summary.parquet of a model.")],
    sources: Annotated[Path, typer.Argument(help="sources.parquet of a model.")],
    folder: Annotated[Path, typer.Argument(help="Where to write cluster_*.tsv.")],
) -> None:
    """Read what latents mean, write a table a named one."""
    told = first_run(read_table(summary, "summary"))
    units = first_run(read_table(sources, "sources"))
    write_phy_columns(folder, told, units)


if __name__ == "__main__":
    app()
