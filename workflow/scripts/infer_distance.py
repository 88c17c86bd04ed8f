"""Infer spikes with a trained network, by every method, and score them."""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from spikesieve.distance.bins import read_bins, take_units
from spikesieve.distance.evaluating import evaluate
from spikesieve.distance.fitting import pick_device
from spikesieve.distance.states import load_network

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    tables: Annotated[list[Path], typer.Argument(help="bins.parquet of each recording.")],
    network: Annotated[Path, typer.Option(help="Folder of the trained network.")],
    recording: Annotated[list[str], typer.Option(help="Id of each recording, in that order.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    methods: Annotated[str, typer.Option(help="JSON: names of the ways to infer spikes.")],
    step: Annotated[int, typer.Option(help="Bins of each window that are used.")],
    units: Annotated[str, typer.Option(help="JSON: ids of the units, or null for all.")],
    seed: Annotated[int, typer.Option(help="Number of this run.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
    truth: Annotated[list[Path], typer.Option(help="truth.npz of simulated recordings.")] = (),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of the processor.")] = 1,
) -> None:
    """Read bins and network, roll out over test bins, write spikes, predictions and scores."""
    torch.set_num_threads(threads)
    bins = [read_bins(path, name) for path, name in zip(tables, recording, strict=True)]
    evaluate(
        load_network(network),
        [take_units(b, json.loads(units)) for b in bins],
        folder,
        methods=json.loads(methods),
        truth={path.parent.name: path for path in truth},
        step=step,
        model=model,
        seed=seed,
        device=pick_device(device),
    )


if __name__ == "__main__":
    app()
