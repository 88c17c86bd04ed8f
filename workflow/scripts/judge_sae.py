"""Judge the latents of a model's seeds: stability across them, duplicates, what to keep."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.count_table import read_counts_table
from spikesieve.evaluation import metrics_table
from spikesieve.latents.judging import dictionary_table, judged_split, stability_metrics
from spikesieve.recording import write_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    counts: Annotated[Path, typer.Argument(help="Table of counts (Parquet).")],
    runs: Annotated[list[Path], typer.Argument(help="Checkpoints seed{n}/checkpoint.safetensors.")],
    folder: Annotated[Path, typer.Option(help="Where to write.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    null: Annotated[str, typer.Option(help="none, shifted, poisson or random.")] = "none",
) -> None:
    """Read the runs, write dictionary.parquet and metrics.parquet."""
    folders = [run.parent for run in runs]
    seeds = [int(run.name.removeprefix("seed")) for run in folders]
    binned = read_counts_table(counts)
    table = dictionary_table(binned, folders, seeds=seeds)
    method = "sae" if null == "none" else f"sae_{null}"
    names = {"recording": recording, "method": method, "model": model}
    metrics = metrics_table(stability_metrics(table, judged_split(binned)), **names)
    write_table(folder / "dictionary.parquet", "dictionary", table)
    write_table(folder / "metrics.parquet", "metrics", metrics)


if __name__ == "__main__":
    app()
