"""A sweep over settings of one recording, at one width: on counts read once."""

import pandas as pd

from spikesieve.count_table import CountTable
from spikesieve.errors import InputError, SpikesieveError
from spikesieve.fitting import Block, block_of, derived_seed
from spikesieve.sae.selection import one_after_another, possible, try_settings, widest_for


def sweep(
    table: CountTable,
    settings: dict,
    values: dict[str, list],
    *,
    root_seed: int,
    recording: str,
) -> pd.DataFrame:
    """Return a row a trial: its settings and scores.

    Values of one setting after the other are tried, each at the best of those before it, side by
    side. Trained on training bins, scored on validation bins (test bins are never looked at).
    A width among ``values`` is at most what the training bins are enough for (one in ``settings``
    is what was asked for), a ``k`` among them at most that width. Columns as
    ``spikesieve.sae.selection.try_settings`` has them.

    Parameters
    ----------
    values : setting -> values to try, the one to start from first; none try ``settings`` alone.

    Raises
    ------
    InputError
        There is no validation block, or no unit; a value is out of range.
    """
    train, held_out = blocks(table, recording=recording)
    widest = widest_for(len(train.bins))
    widths = [min(n, widest) for n in values.get("n_latents", [])]
    values = values | ({"n_latents": list(dict.fromkeys(widths))} if widths else {})
    shared = settings | {"seed": derived_seed(root_seed, 0)}

    def attempt(tried: dict) -> dict:
        try:
            return try_settings(train, held_out, shared | possible(tried))
        except SpikesieveError as error:
            raise type(error)(f"{error} (trial {tried})", recording=recording) from error

    return pd.DataFrame(one_after_another(values, attempt)[1] or [attempt({})])


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
