"""Count the planted features that each method finds, in one tier with one seed."""

from pathlib import Path
from typing import Annotated, Optional

import pandas as pd
import typer

from spikesieve.errors import InputError
from spikesieve.files import atomic_path
from spikesieve.latents.benchmark import AUTOENCODERS, METHODS, recovery_scores

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="The table (csv) to write.")],
    tier: Annotated[str, typer.Option(help="A, B, C, D or E.")],
    seed: Annotated[int, typer.Option(help="Seed of the planted counts and of the fits.")],
    method: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it
        typer.Option(help="Only this method; may be given several times."),
    ] = None,
) -> None:
    """Go through the methods and write their scores: tier, method, seed, metric, value."""
    tables = []
    for name in method or METHODS:
        tables.append(recovery_scores(tier, seed, name))
        if len(tables[-1]):
            print(name, tables[-1].set_index("metric")["value"].round(3).to_dict(), flush=True)
    scored = [table for table in tables if len(table)]
    if not scored:
        raise InputError(
            f"tier {tier} with method {', '.join(method)}: nothing is planted that it could find",
            allowed=", ".join(AUTOENCODERS),
        )
    with atomic_path(output) as temporary:
        pd.concat(scored).to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
