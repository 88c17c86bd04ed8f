"""Put costs and scores of every run of every method into one table."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.files import atomic_path
from spikesieve.methods_table import methods_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    metrics: Annotated[list[Path], typer.Argument(help="metrics.parquet of each run.")],
    benchmark: Annotated[list[Path], typer.Option(help="Snakemake's benchmark of each run.")],
    table: Annotated[Path, typer.Option(help="Table to write (CSV).")],
) -> None:
    """Read scores and costs, write a row a run."""
    rows = methods_table(metrics, benchmark)
    with atomic_path(table) as temporary:
        rows.to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
