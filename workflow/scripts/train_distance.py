"""Train a network on the spike distance of the units of one recording or several."""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from spikesieve.distance.bins import read_bins, take_units
from spikesieve.distance.fitting import fit_and_save

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

# Not in the configuration: it changes no result, and must not make one look outdated.
KEEP = typer.Option(envvar="SPIKESIEVE_KEEP_MINUTES", help="Minutes between two states kept.")


@app.command(help=__doc__)
def main(
    tables: Annotated[list[Path], typer.Argument(help="bins.parquet of each recording.")],
    recording: Annotated[list[str], typer.Option(help="Id of each recording, in that order.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    settings: Annotated[str, typer.Option(help="JSON: its settings.")],
    units: Annotated[str, typer.Option(help="JSON: ids of the units to train on, or null.")],
    seed: Annotated[int, typer.Option(help="Number of this run.")],
    root_seed: Annotated[int, typer.Option(help="Seed of the project.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of the processor.")] = 1,
    state: Annotated[Path | None, typer.Option(help="Where to keep the running state.")] = None,
    keep_minutes: Annotated[float, KEEP] = 5,
) -> None:
    """Read the bins, train, write checkpoint, history and unit embeddings."""
    torch.set_num_threads(threads)
    bins = [read_bins(path, name) for path, name in zip(tables, recording, strict=True)]
    fit_and_save(
        [take_units(b, json.loads(units)) for b in bins],
        json.loads(settings),
        folder,
        model=model,
        seed=seed,
        root_seed=root_seed,
        device=device,
        state=state,
        keep_every_s=60 * keep_minutes,
    )


if __name__ == "__main__":
    app()
