"""Reading a table of counts: what every learner starts from."""

from os import PathLike
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int, Shaped, UInt

from spikesieve.counts import GAP, MASKED, SPLITS
from spikesieve.errors import ContractError
from spikesieve.recording import CONTRACTS, damage_named, open_table

_ROWS_AT_ONCE = 16_384


class CountTable(NamedTuple):
    """Counts of the kept units: row ``b`` of each array belongs to bin ``b`` of the table.

    ``time_s`` is a bin's left edge; ``split`` one of ``counts.SPLITS``, ``gap`` or ``invalid``.
    """

    counts: UInt[np.ndarray, "bin unit"]
    unit_ids: Int[np.ndarray, "unit"]
    time_s: Float[np.ndarray, "bin"]
    split: Shaped[np.ndarray, "bin"]

    def rows(self, split: str) -> Bool[np.ndarray, "bin"]:
        """Return which bins belong to ``split``."""
        return self.split == split


def read_counts_table(path: str | PathLike) -> CountTable:
    """Read a ``counts`` table, its counts in the smallest unsigned type that all columns fit.

    Raises
    ------
    ContractError
        The file is missing, damaged or another table; a column is no unit id, or not unsigned.
    """
    file = open_table(path, "counts")
    names = [n for n in file.schema_arrow.names if n not in CONTRACTS["counts"]]
    kind = _count_type(path, file.schema_arrow, names)
    n_bins = file.metadata.num_rows
    counts = np.empty((n_bins, len(names)), dtype=kind)
    time_s, split, row = np.empty(n_bins), np.empty(n_bins, dtype=object), 0
    with damage_named(path):
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            rows = slice(row, row := row + len(batch))
            time_s[rows], split[rows] = batch["time_s"], batch["split"].to_pylist()
            for column, name in enumerate(names):
                counts[rows, column] = batch[name].to_numpy()  # refuses nulls
    if unknown := set(split) - {*SPLITS, GAP, MASKED}:
        raise ContractError(f"unknown values {sorted(map(str, unknown))} of split", path=path)
    return CountTable(counts, np.array([int(n) for n in names], np.int32), time_s, split)


def _count_type(path, schema: pa.Schema, names: list[str]) -> np.dtype:
    for name in names:
        if not name.isdecimal():
            raise ContractError(f"column {name!r} is no unit id", path=path)
        if not pa.types.is_unsigned_integer(schema.field(name).type):
            raise ContractError(
                f"column {name!r} is {schema.field(name).type}, not unsigned", path=path
            )
    kinds = {schema.field(name).type.to_pandas_dtype() for name in names}
    return max(map(np.dtype, kinds or {np.uint8}), key=lambda kind: kind.itemsize)
