"""Simulate a recording with a planted truth."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.ingest.simulated import write_simulation

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    simulation: Annotated[
        str, typer.Option(help="What to simulate: an entry of simulations in config, as JSON.")
    ],
    folder: Annotated[Path, typer.Option(help="Where its tables and truth.npz go.")],
    seed: Annotated[int, typer.Option(help="Root of the random numbers.")] = 0,
) -> None:
    """Simulate a recording with a planted truth."""
    write_simulation(folder, recording=recording, settings=json.loads(simulation), seed=seed)


if __name__ == "__main__":
    app()
