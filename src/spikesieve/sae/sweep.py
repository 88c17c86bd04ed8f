"""A grid of settings on one recording: all of one width in one go, on counts read once."""

from itertools import product

import pandas as pd

from spikesieve.count_table import CountTable
from spikesieve.errors import InputError, SpikesieveError
from spikesieve.fitting import Block, block_of, derived_seed
from spikesieve.sae.selection import try_settings


def sweep(
    table: CountTable,
    settings: dict,
    grid: dict[str, list],
    *,
    root_seed: int,
    recording: str,
) -> pd.DataFrame:
    """Return a row a combination of the values in ``grid``: its settings and scores.

    Trained on training bins, scored on validation bins (test bins are never looked at). A ``k``
    above the width is left out. Columns as ``spikesieve.sae.selection.try_settings`` has them.

    Raises
    ------
    InputError
        There is no validation block, no unit, or no combination that is possible.
    """
    train, held_out = blocks(table, recording=recording)
    names = list(grid)
    trials = []
    for values in product(*grid.values()):
        tried = settings | dict(zip(names, values, strict=True))
        if tried.get("k", 0) > tried["n_latents"]:
            continue
        try:
            seed = derived_seed(root_seed, 0)
            trials.append(try_settings(train, held_out, tried | {"seed": seed}))
        except SpikesieveError as error:
            raise type(error)(f"{error} (trial {tried})", recording=recording) from error
    if not trials:
        raise InputError(f"no combination of {grid} is possible", recording=recording)
    return pd.DataFrame(trials)


def blocks(table: CountTable, *, recording: str) -> tuple[Block, Block]:
    """Return the training and the validation bins.

    Raises ``InputError`` where there are none of either, or no unit.
    """
    train, held_out = (block_of(table, split) for split in ("train", "validation"))
    if 0 in train.counts.shape or not len(held_out.bins):
        raise InputError(
            f"{len(train.bins)} training and {len(held_out.bins)} validation bins of "
            f"{table.counts.shape[1]} units: nothing to choose by",
            recording=recording,
            fix="give counts.split a validation block, or set sae.n_latents, k and smoothing",
        )
    return train, held_out
