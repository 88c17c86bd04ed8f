"""A sweep over settings of one recording, at one width: on counts read once."""

import pandas as pd

from spikesieve.count_table import CountTable
from spikesieve.errors import InputError, SpikesieveError
from spikesieve.fitting import Block, block_of, derived_seed
from spikesieve.recording import CONTRACTS
from spikesieve.sae.selection import one_after_another, possible, try_settings, widest_for


def sweep(
    table: CountTable,
    settings: dict,
    values: dict[str, list],
    *,
    root_seed: int,
    recording: str,
    narrower: int = 0,
) -> pd.DataFrame:
    """Return a row a trial: its settings and scores.

    Values of one setting after the other are tried, each at the best of those before it, side by
    side. Trained on training bins, scored on validation bins (test bins are never looked at).
    A width among ``values`` is at most what the training bins are enough for (one in ``settings``
    is what was asked for), but no less than a ``k`` in ``settings``; a ``k`` among ``values`` is at
    most that width. What is the same after that is tried once. Columns as
    ``spikesieve.sae.selection.try_settings`` has them.

    Parameters
    ----------
    values : setting -> values to try, the one to start from first; none try ``settings`` alone.
    narrower : the widest width that is tried elsewhere and is narrower than those here. If the bins
        are not enough for more than that, all there is to try is tried there: no rows.

    Raises
    ------
    InputError
        There is no validation block, or no unit; a value is out of range.
    """
    train, held_out = blocks(table, recording=recording)
    if widths := values.get("n_latents"):
        widest = max(widest_for(len(train.bins)), settings.get("k", 1))
        if narrower >= widest:
            return pd.DataFrame(columns=[*CONTRACTS["trials"]])
        values = values | {"n_latents": _at_most(widest, widths)}
        if "k" in values:
            values["k"] = _at_most(max(values["n_latents"]), values["k"])
    shared = settings | {"seed": derived_seed(root_seed, 0)}

    def attempt(tried: dict) -> dict:
        try:
            return try_settings(train, held_out, shared | possible(tried))
        except SpikesieveError as error:
            raise type(error)(f"{error} (trial {tried})", recording=recording) from error

    return pd.DataFrame(one_after_another(values, attempt)[1] or [attempt({})])


def _at_most(most: int, values: list[int]) -> list[int]:
    """Return the values, each lowered to ``most`` where it is more, and each once."""
    return list(dict.fromkeys(min(value, most) for value in values))


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
