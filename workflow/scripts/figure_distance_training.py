"""Draw how the training of spike-distance networks went, for each model and seed."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.distance_training import (
    distance_training_table,
    draw_distance_training,
)
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    histories: Annotated[list[Path], typer.Argument(help="{model}/seed{n}/history.parquet.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the histories and write the figure."""
    runs = {
        f"{path.parents[1].name} {path.parent.name.replace('seed', 'seed ')}": read_table(
            path, "history"
        )
        for path in histories
    }
    table = distance_training_table(recording, runs)
    save_figure(draw_distance_training(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
