"""Draw a sweep over settings: scores of every trial on validation bins, and what was chosen."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.sae_sweep import draw_sae_sweep, sae_sweep_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table
from spikesieve.sae.names import TRIED

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    trials: Annotated[Path, typer.Argument(help="Table of trials (Parquet), the chosen marked.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the trials and write the figure."""
    table = sae_sweep_table(recording, read_table(trials, "trials"), [*TRIED, "bin_ms"])
    save_figure(draw_sae_sweep(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
