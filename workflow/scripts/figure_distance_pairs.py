"""Draw, unit by unit, how much better one way to infer spikes is than each other one."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.distance_pairs import (
    distance_pairs_table,
    draw_distance_pairs,
)
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[list[Path], typer.Argument(help="scores.parquet of each run.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    reference: Annotated[str | None, typer.Option(help="Compared with each other one.")] = None,
    split: Annotated[str, typer.Option(help="Name of the bins that were scored.")] = "test",
) -> None:
    """Read the scores and write the figure."""
    tables = [read_table(path, "scores") for path in scores]
    table = distance_pairs_table(recording, tables, reference=reference, split=split)
    save_figure(draw_distance_pairs(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
