"""Find a dictionary's width by the notes' rule: shrink it until both R2 fall."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.count_table import read_counts_table
from spikesieve.files import atomic_path
from spikesieve.fitting import derived_seed
from spikesieve.sae.heuristic import shrink_width
from spikesieve.sae.sweep import blocks

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    table: Annotated[Path, typer.Argument(help="CSV to write, a row a width.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    settings: Annotated[str, typer.Option(help="JSON: settings of the model.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
) -> None:
    """Read the counts, write a row a width."""
    train, held_out = blocks(read_counts_table(counts), recording=recording)
    tried = json.loads(settings) | {"seed": derived_seed(root_seed, 0)}
    found = shrink_width(train, held_out, tried)
    with atomic_path(table) as temporary:
        found.to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
