"""Train a sparse autoencoder on the counts of a recording, and judge it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.counts import NORMALISATIONS
from spikesieve.fitting import fit_and_score
from spikesieve.sae.fitting import fit_sae

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    architecture: Annotated[str, typer.Option(help="Kind of autoencoder.")],
    settings: Annotated[str, typer.Option(help="JSON: section sae of the configuration.")],
    normalisation: Annotated[str, typer.Option(help=f"One of {', '.join(NORMALISATIONS)}.")],
    seed: Annotated[int, typer.Option(help="Number of this run.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
) -> None:
    """Train a sparse autoencoder on the counts of a recording, and judge it."""
    arguments = json.loads(settings) | {"architecture": architecture}
    fit_and_score(
        counts,
        folder,
        fit_sae,
        recording=recording,
        settings=arguments,
        normalisation=normalisation,
        seed=seed,
        root_seed=root_seed,
    )


if __name__ == "__main__":
    app()
