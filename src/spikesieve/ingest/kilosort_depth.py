"""Where the units of a Kilosort folder lie along the probe."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from spikesieve.errors import InputError
from spikesieve.ingest.kilosort_arrays import count_rows, open_array, read_pieces
from spikesieve.spikes import rank_within


class Places(NamedTuple):
    """``depth_um`` and (where templates are there) ``peak_channel`` of each unit with spikes.

    The channel is a row of the raw file (``channel_map``), or else of ``channel_positions``.
    """

    depth_um: Float[np.ndarray, "unit"]
    peak_channel: pd.Series | None
    files: list[Path]
    notes: list[str]


def locate_units(folder: Path, clusters: Path, per_unit: pd.Series, *, recording: str) -> Places:
    """Return the places of the units in ``per_unit`` (spikes of each, indexed by its id).

    Depth is the median y of the unit's ``spike_positions``; without them, the y of the channel
    where its most used template has the largest peak-to-peak amplitude; else NaN with a note.

    Raises
    ------
    InputError
        An array is damaged, or its shape does not fit the others.
    """
    channel, depth, files, notes = _from_templates(folder, clusters, per_unit, recording)
    positions = folder / "spike_positions.npy"
    if positions.is_file():
        depth = _median_depth(positions, clusters, per_unit, recording)
        files = [*files, positions]
    elif depth is None:
        depth = np.full(len(per_unit), np.nan)
        notes = [*notes, "neither spike_positions nor templates with positions: depths unknown"]
    return Places(depth, channel, files, notes)


def _median_depth(positions: Path, clusters: Path, per_unit: pd.Series, recording: str):
    shape = open_array(positions, recording=recording, kinds="f").shape
    n = int(per_unit.sum())
    if len(shape) != 2 or shape[0] != n or shape[1] < 2:
        raise InputError(
            f"has shape {shape} where there are {n} spikes",
            recording=recording,
            path=positions,
            allowed=f"({n}, 2): x and y of each spike in um",
            fix="restore the file, or remove it to go without",
        )
    offset = np.concatenate([[0], np.cumsum(per_unit)])
    y = np.empty(n, dtype=np.float32)
    free = offset[:-1].copy()
    for cluster, position in read_pieces(clusters, positions):
        index = np.searchsorted(per_unit.index, cluster)
        counts = np.bincount(index, minlength=len(per_unit))
        order, rank = rank_within(index, counts)
        y[np.repeat(free, counts) + rank] = position[order, 1]
        free += counts
    trains = (y[a:b] for a, b in pairwise(offset))
    finite = (train[np.isfinite(train)] for train in trains)
    return np.array([np.median(t) if len(t) else np.nan for t in finite], dtype=np.float64)


def _from_templates(folder: Path, clusters: Path, per_unit: pd.Series, recording: str):
    templates, used = folder / "templates.npy", folder / "spike_templates.npy"
    if not templates.is_file():
        return None, None, [], []
    if not used.is_file():
        return None, None, [], ["templates.npy without spike_templates.npy: not used"]
    files = [templates, used]
    waveforms = open_array(templates, recording=recording, kinds="f")
    if waveforms.ndim != 3 or 0 in waveforms.shape:
        raise InputError(
            f"has shape {waveforms.shape}",
            recording=recording,
            path=templates,
            allowed="(templates, samples, channels)",
        )
    template = _most_used(used, clusters, per_unit, len(waveforms), recording)
    peak = {t: int(np.ptp(waveforms[t], axis=0).argmax()) for t in np.unique(template)}
    channel = np.array([peak[t] for t in template])
    for name in ("templates_ind.npy", "template_ind.npy"):
        if (folder / name).is_file():  # templates kept on some channels only, these
            stored = _lookup_table(folder / name, waveforms.shape[::2], recording)
            channel = np.nan_to_num(stored[template, channel], nan=-1).astype(np.int64)
            files.append(folder / name)
            break
    depth, number = None, channel
    if (folder / "channel_positions.npy").is_file():
        depth = _rows(folder / "channel_positions.npy", channel, recording)[:, 1].astype(float)
        files.append(folder / "channel_positions.npy")
    if (folder / "channel_map.npy").is_file():
        number = _rows(folder / "channel_map.npy", channel, recording)[:, 0].astype(np.int64)
        files.append(folder / "channel_map.npy")
    return pd.Series(number, per_unit.index, dtype="Int64"), depth, files, []


def _most_used(used: Path, clusters: Path, per_unit, n_templates: int, recording: str):
    """Return each unit's most used template; clusters merged in Phy have several."""
    n = count_rows(used, recording=recording)
    if n != per_unit.sum():
        raise InputError(
            f"has {n} entries where there are {per_unit.sum()} spikes",
            recording=recording,
            path=used,
            fix="restore the files of one and the same sorting",
        )
    shape = (len(per_unit), n_templates)
    uses = csr_array(shape, dtype=np.int64)
    for cluster, template in read_pieces(clusters, used):
        if template.min() < 0 or template.max() >= n_templates:
            raise InputError(
                f"names template {max(template.max(), -template.min())}",
                recording=recording,
                path=used,
                allowed=f"0 to {n_templates - 1}, the rows of templates.npy",
            )
        unit = np.searchsorted(per_unit.index, cluster)
        uses += csr_array((np.ones(len(unit), dtype=np.int64), (unit, template)), shape)
    return np.asarray(uses.argmax(axis=1)).ravel()


def _lookup_table(path: Path, shape: tuple[int, int], recording: str) -> np.ndarray:
    table = open_array(path, recording=recording, kinds="iuf")
    if table.shape != shape:
        raise InputError(
            f"has shape {table.shape}", recording=recording, path=path, allowed=str(shape)
        )
    return table


def _rows(path: Path, channel: Int[np.ndarray, "unit"], recording: str) -> np.ndarray:
    table = open_array(path, recording=recording, kinds="iuf")
    width = 2 if path.name == "channel_positions.npy" else 1
    table = table.reshape(-1, 1) if width == 1 else table
    if (
        table.ndim != 2
        or table.shape[1] < width
        or channel.min() < 0
        or channel.max() >= len(table)
    ):
        raise InputError(
            f"has shape {table.shape}, but templates peak on channels {channel.min()} to "
            f"{channel.max()}",
            recording=recording,
            path=path,
            fix="restore the files of one and the same sorting",
        )
    return np.asarray(table[channel])
