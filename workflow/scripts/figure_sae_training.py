"""Draw how the training of the sparse autoencoder went, for each seed."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.sae_training import draw_sae_training, sae_training_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table
from spikesieve.sae.phases import training_phases

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    histories: Annotated[list[Path], typer.Argument(help="Tables seed{n}/history.parquet.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
) -> None:
    """Read the histories and write the figure."""
    by_seed = {int(p.parent.name.removeprefix("seed")): read_table(p, "history") for p in histories}
    phases = {seed: training_phases(history) for seed, history in by_seed.items()}
    table = sae_training_table(recording, by_seed, phases)
    save_figure(draw_sae_training(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
