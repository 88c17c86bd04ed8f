"""Fit a baseline (PCA, factor analysis, NMF, ICA, the mean) on a recording's counts; judge it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.baselines import BASELINES
from spikesieve.fitting import fit_and_score

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(BASELINES)}.")],
    settings: Annotated[str, typer.Option(help="JSON: settings of the method.")],
    seed: Annotated[int, typer.Option(help="Number of this run.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
) -> None:
    """Read the counts, fit the method, write what it found."""
    if method not in BASELINES:
        raise typer.BadParameter(f"method {method!r} is not one of {', '.join(BASELINES)}")
    fit_and_score(
        counts,
        folder,
        lambda counts, bins, validation, **chosen: BASELINES[method](counts, bins, **chosen),
        recording=recording,
        settings=json.loads(settings),
        seed=seed,
        root_seed=root_seed,
    )


if __name__ == "__main__":
    app()
