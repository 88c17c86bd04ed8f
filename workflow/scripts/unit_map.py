"""Lay the units of a model's embedding out as a map, and score the map."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.distance.map_scores import N_NEIGHBOURS, N_PERMUTATIONS
from spikesieve.distance.unit_map import map_units
from spikesieve.recording import read_table, write_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    embedding: Annotated[Path, typer.Argument(help="unit_embedding.parquet of one model.")],
    averages: Annotated[
        list[Path], typer.Argument(help="stimulus_average.parquet of each recording in it.")
    ],
    unit_map: Annotated[Path, typer.Option(help="The unit_map.parquet to write.")],
    scores: Annotated[Path, typer.Option(help="The map_scores.parquet to write.")],
    units: Annotated[
        list[Path] | None,
        typer.Option(help="units.parquet, in a folder named as its recording; gives the rates."),
    ] = None,
    n_neighbours: Annotated[int, typer.Option(help="Neighbours of each unit.")] = N_NEIGHBOURS,
    n_permutations: Annotated[int, typer.Option(help="Permutations.")] = N_PERMUTATIONS,
    seed: Annotated[int, typer.Option(help="Seed of t-SNE and of the permutations.")] = 0,
) -> None:
    """Read the tables, map the units and write the map and its scores."""
    places, found = map_units(
        read_table(embedding, "unit_embedding"),
        pd.concat([read_table(path, "stimulus_average") for path in averages]),
        {path.parent.name: read_table(path, "units") for path in units or []},
        n_neighbours=n_neighbours,
        n_permutations=n_permutations,
        seed=seed,
    )
    write_table(unit_map, "unit_map", places)
    write_table(scores, "map_scores", found)


if __name__ == "__main__":
    app()
