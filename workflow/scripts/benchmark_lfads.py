"""Train LFADS on spikes of a Lorenz system, whose rates are known; score held-out trials."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from spikesieve.baselines.lfads.benchmark import lorenz_example, run_lorenz
from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    scores: Annotated[Path, typer.Argument(help="Table of scores (csv) to write.")],
    example: Annotated[Path, typer.Option(help="Table of one trial (csv) to write.")],
    history: Annotated[Path, typer.Option(help="Table of the training (csv) to write.")],
    seed: Annotated[int, typer.Option(help="Of the spikes and of the training.")] = 0,
    n_steps: Annotated[int, typer.Option(help="Steps of the training.")] = 1500,
    n_conditions: Annotated[int, typer.Option(help="Initial states of the system.")] = 65,
    n_trials: Annotated[int, typer.Option(help="Trials of each, 4 of them held out.")] = 20,
) -> None:
    """Run the benchmark and write what it found."""
    torch.set_num_threads(1)
    size = {"n_conditions": n_conditions, "n_trials": n_trials}
    fit, table = run_lorenz(seed=seed, data=size, settings={"n_steps": n_steps})
    tables = ((table, scores), (lorenz_example(fit), example), (fit.history, history))
    for frame, path in tables:
        with atomic_path(path) as temporary:
            frame.to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
