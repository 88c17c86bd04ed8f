"""Kilosort's ``.npy`` files in pieces: never unpickled, never wholly in memory.

A file is mapped anew for each piece, because the pages of a mapping count as the process's own
memory until it is dropped: 131 million spikes would add gigabytes.
"""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from spikesieve.errors import InputError

SPIKES_PER_PIECE = 1 << 20


def open_array(path: str | PathLike, *, recording: str, kinds: str = "iu") -> np.ndarray:
    """Map a ``.npy`` file; ``kinds`` are numpy's letters for the types allowed.

    Raises
    ------
    InputError
        The file is missing, truncated, pickled, not ``.npy``, or of another type.
    """
    path, about = Path(path), {"recording": recording, "path": path}
    if not path.is_file():
        raise InputError("missing", **about, fix="copy the whole folder that the sorter wrote")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy parses the header as Python: anything may come out
        raise InputError(
            f"not a readable .npy file ({type(error).__name__}: {str(error)[:200]})",
            **about,
            allowed="an array of numbers, whole and not pickled",
            fix="copy it again from where the sorter wrote it",
        ) from None
    if array.dtype.kind not in kinds:
        raise InputError(
            f"holds {array.dtype}",
            **about,
            allowed="whole numbers" if kinds == "iu" else "numbers",
            fix="save it as int64 (times are samples, not seconds)" if kinds == "iu" else None,
        )
    return array


def count_rows(path: str | PathLike, *, recording: str) -> int:
    """Return the length of a one-column array of integers, stored as (n,), (n, 1) or (1, n)."""
    shape = open_array(path, recording=recording).shape
    n = int(np.prod(shape, dtype=np.int64))
    if not shape or n != max(shape, default=0):
        raise InputError(f"has shape {shape}", recording=recording, path=path, allowed="one column")
    return n


def read_pieces(*paths: Path) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the same rows of several checked arrays of equal length, a piece at a time.

    One-column integer arrays come as int64 of shape (rows,), whatever they were stored as,
    so that differences do not wrap; others as they are.
    """
    start, stop = 0, 1
    while start < stop:
        mapped = [_flat(np.lib.format.open_memmap(p, mode="r")) for p in paths]
        stop = len(mapped[0])
        rows = slice(start, start + SPIKES_PER_PIECE)
        if start < stop:
            yield tuple(np.array(a[rows], dtype="i8" if a.ndim == 1 else None) for a in mapped)
        start += SPIKES_PER_PIECE


def _flat(array: np.ndarray) -> np.ndarray:
    one_column = array.dtype.kind in "iu" and array.size == max(array.shape)
    return array.reshape(-1) if one_column else array


def count_per_cluster(clusters: Path) -> pd.Series:
    """Return the number of spikes of each cluster, indexed by its id, ascending."""
    total = pd.Series(dtype="int64")
    for (piece,) in read_pieces(clusters):
        counts = pd.Series(piece).value_counts(sort=False)
        total = total.add(counts, fill_value=0).astype("int64")
    return total.sort_index()


def last_sample(times: Path, *, recording: str) -> int:
    """Return the latest spike's sample; raises ``InputError`` where one is no possible time."""
    about = {"recording": recording, "path": times}
    latest, start = 0, 0
    for (samples,) in read_pieces(times):
        if (negative := samples < 0).any():
            row = int(np.argmax(negative))
            raise InputError(
                f"spike {start + row} is at the negative sample {samples[row]}",
                **about,
                fix="remove it, or shift the times so that the recording starts at 0",
            )
        latest, start = max(latest, int(samples.max())), start + len(samples)
    if latest >= 1 << 53:
        raise InputError(f"a spike at sample {latest}", **about, allowed="below 2^53")
    return latest
