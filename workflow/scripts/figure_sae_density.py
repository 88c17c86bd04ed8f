"""Draw how often the latents of each model are active, and their budget against its use."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.sae_density import draw_sae_density, sae_density_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    runs: Annotated[list[Path], typer.Argument(help="metrics.parquet, model.json beside each.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the metrics and settings of all runs, and write the figure."""
    metrics = [read_table(path, "metrics") for path in runs]
    models = [json.loads(path.with_name("model.json").read_text()) for path in runs]
    nominal = {
        run["model"].iloc[0]: model["settings"]["k"]
        for run, model in zip(metrics, models, strict=True)
    }
    table = sae_density_table(recording, metrics, nominal)
    save_figure(draw_sae_density(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
