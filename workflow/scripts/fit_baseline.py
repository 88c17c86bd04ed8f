"""Fit a baseline (PCA, NMF, CEBRA, sliceTCA, LFADS ...) on a recording's counts; judge it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.baselines.methods import method_fit
from spikesieve.fitting import fit_and_score
from spikesieve.method_names import ALL_NAMES

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(ALL_NAMES)}.")],
    settings: Annotated[str, typer.Option(help="JSON: its settings; a list is tuned.")],
    seed: Annotated[int, typer.Option(help="Number of this run.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
    null: Annotated[str, typer.Option(help="none, shifted or poisson.")] = "none",
    intervals: Annotated[Path | None, typer.Option(help="Intervals: for sliceTCA.")] = None,
    conditions: Annotated[Path | None, typer.Option(help="Labels: for CEBRA.")] = None,
) -> None:
    """Read the counts, fit the method, write what it found."""
    fit_and_score(
        counts,
        folder,
        method_fit(method, counts, intervals=intervals, conditions=conditions),
        recording=recording,
        settings=json.loads(settings),
        seed=seed,
        root_seed=root_seed,
        null=null,
    )


if __name__ == "__main__":
    app()
