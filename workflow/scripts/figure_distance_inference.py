"""Draw the inference on one window: distances, spikes, and the energy as spikes are sieved out."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.distance.example import example_window, first_recording
from spikesieve.distance.settings import make_settings
from spikesieve.figures.distance_inference import (
    distance_inference_table,
    draw_distance_inference,
)
from spikesieve.figures.style import save_figure

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    bins: Annotated[Path, typer.Argument(help="bins.parquet of the first recording.")],
    predictions: Annotated[Path, typer.Argument(help="predictions.safetensors of a run.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    settings: Annotated[str, typer.Option(help="JSON: settings of the model.")],
    units: Annotated[str, typer.Option(help="JSON: ids of the model's units, or null.")],
) -> None:
    """Choose a window, infer its spikes and write the figure."""
    folder = predictions.parent
    recording = first_recording(folder)
    shape = make_settings(**json.loads(settings)).shape
    window = example_window(bins, folder, recording=recording, shape=shape, units=json.loads(units))
    table = distance_inference_table(recording, **window)
    save_figure(draw_distance_inference(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
