"""Train a sparse autoencoder on the counts of a recording, and judge it."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.fitting import fit_and_score
from spikesieve.nulls import UNTRAINED
from spikesieve.sae.fitting import fit_sae

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

# Not in the configuration: they change no result, and must not make one look outdated.
KEEP = typer.Option(envvar="SPIKESIEVE_KEEP_MINUTES", help="Minutes between two states kept.")
BOARD = typer.Option(envvar="SPIKESIEVE_TENSORBOARD", help="Folder for TensorBoard.")


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    choice: Annotated[Path | None, typer.Argument(help="JSON: what was chosen.")] = None,
    *,
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    settings: Annotated[str, typer.Option(help="JSON: its settings.")],
    seed: Annotated[int, typer.Option(help="Number of this run.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
    null: Annotated[str, typer.Option(help="none, shifted, poisson or random.")] = "none",
    states: Annotated[Path | None, typer.Option(help="Where to keep running states.")] = None,
    keep_minutes: Annotated[float, KEEP] = 10,
    tensorboard: Annotated[Path | None, BOARD] = None,
) -> None:
    """Read the counts, train, write what was found."""
    chosen = json.loads(choice.read_text())["chosen"] if choice else {}
    fit = partial(
        fit_sae,
        name=model,
        method="sae" if null == "none" else f"sae_{null}",
        states=states,
        keep_every_s=60 * keep_minutes,
        tensorboard=tensorboard and tensorboard / recording / model / f"seed{seed}",
    )
    fit_and_score(
        counts,
        folder,
        fit,
        settings=chosen | json.loads(settings) | (UNTRAINED if null == "random" else {}),
        null="none" if null == "random" else null,
        **{"recording": recording, "seed": seed, "root_seed": root_seed},
    )


if __name__ == "__main__":
    app()
