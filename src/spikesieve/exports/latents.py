"""Latents for other tools: a time series in a copy of an NWB file, columns of clusters for Phy."""

import re
import shutil
import warnings
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import pynwb
import scipy.sparse
from hdmf.backends.hdf5.h5_utils import H5DataIO
from hdmf.common import DynamicTable, VectorData
from hdmf.data_utils import DataChunkIterator
from jaxtyping import Bool, Int

from spikesieve.errors import InputError
from spikesieve.files import atomic_path

#: The processing module of the NWB file that latents go into.
MODULE = "spikesieve"
_ROWS_AT_ONCE = 4096
_TOLD = (
    "name",
    "variable",
    "label",
    "density",
    "stability",
    "auroc",
    "chance_auroc",
    "p_corrected",
)


def write_latents_nwb(
    source: str | PathLike,
    output: str | PathLike,
    latents: scipy.sparse.csr_array,
    known: Bool[np.ndarray, "bin"],
    summary: pd.DataFrame,
    *,
    bin_s: float,
    model: str,
) -> None:
    """Write a copy of the NWB file ``source`` with latents as a time series, whole or not at all.

    Processing module ``spikesieve`` gets ``latents_{model}``, (bin, latent), a sample at the middle
    of each bin, NaN in bins that no split holds; and the table ``latents_{model}_names``, a row a
    column. The source's own content stays as it is.

    Parameters
    ----------
    latents : activations ``(bin, latent)`` of all bins, from time 0 on. ``known`` : bins that have
        activations.
    summary : the ``summary`` table of one run, a row a latent; those that are dead are left out.

    Raises
    ------
    InputError
        The source is missing, or already holds latents of this model.
    """
    if not Path(source).is_file():
        raise InputError("no such file", path=source, fix="check the path in the sheet")
    alive = summary[~summary["dead"]].sort_values("latent")
    columns = alive["latent"].to_numpy(np.int64)
    with atomic_path(output) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Ignoring cached namespace")
        shutil.copyfile(source, temporary)
        with pynwb.NWBHDF5IO(temporary, "a", load_namespaces=True) as io:
            file = io.read()
            name = f"latents_{model}"
            module = _module(file, name, source)
            shape = (latents.shape[0], len(columns))
            data = DataChunkIterator(
                data=_rows(latents[:, columns], known), maxshape=shape, dtype=np.dtype("float32")
            )
            module.add(
                pynwb.TimeSeries(
                    name=name,
                    data=H5DataIO(data, compression="gzip"),
                    unit="a.u.",
                    starting_time=bin_s / 2,
                    rate=1 / bin_s,
                    description=f"activations of model {model} in bins of {1000 * bin_s:g} ms, a "
                    f"sample at each bin's middle; columns are the rows of {name}_names",
                )
            )
            module.add(_names(alive, f"{name}_names"))
            io.write(file)


def _module(file: pynwb.NWBFile, name: str, source):
    if MODULE not in file.processing:
        return file.create_processing_module(MODULE, "latents of population activity")
    module = file.processing[MODULE]
    if name in module.data_interfaces:
        raise InputError(
            f"already holds {name}", path=source, fix="give the source without latents"
        )
    return module


def _rows(latents: scipy.sparse.csr_array, known: Bool[np.ndarray, "bin"]):
    """Yield a row a bin, dense, a block at a time in memory."""
    for first in range(0, latents.shape[0], _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        block = latents[rows].toarray().astype(np.float32)
        block[~known[rows]] = np.nan
        yield from block


def _names(alive: pd.DataFrame, name: str) -> DynamicTable:
    columns = [VectorData(name="latent", description="number", data=alive["latent"].tolist())]
    for column in _TOLD:
        values = alive[column]
        text = column in ("name", "variable", "label")
        data = values.fillna("").astype(str).tolist() if text else values.to_numpy(float)
        key = "feature" if column == "name" else column  # tables have a name of their own
        columns.append(VectorData(name=key, description=column.replace("_", " "), data=data))
    return DynamicTable(
        name=name,
        description="what each latent goes with, on held-out bins",
        columns=columns,
        colnames=[c.name for c in columns],
    )


def write_phy_columns(
    folder: str | PathLike, summary: pd.DataFrame, sources: pd.DataFrame
) -> list[Path]:
    """Write ``cluster_{feature}.tsv`` for each named latent of one run; return their paths.

    Copied into the folder that Phy opens, each is a column of its clusters: the latent's weight on
    the cluster as a share of its largest. Clusters that it hardly speaks of have no line. Files of
    earlier runs in ``folder`` are deleted.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("cluster_*.tsv"):
        old.unlink()
    paths = []
    for _, latent in summary[summary["named"].astype(bool)].iterrows():
        mine = sources[sources["latent"] == latent["latent"]].sort_values("unit_id")
        share = mine["weight"] / mine["weight"].abs().max()
        feature = feature_name(str(latent["name"]), int(latent["latent"]))
        table = pd.DataFrame({"cluster_id": mine["unit_id"], feature: share.round(3)})
        paths.append(folder / f"cluster_{feature}.tsv")
        with atomic_path(paths[-1]) as temporary:
            table.to_csv(temporary, sep="\t", index=False)
    return paths


def feature_name(name: str, latent: int) -> str:
    """Return a feature's name in letters that files and columns may have, its latent at the end."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", name.replace("°", "deg")).strip("_")
    return f"{plain[:60]}_l{latent}"


def first_run(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first seed."""
    return table[table["seed"] == table["seed"].min()]


def known_bins(split: Int[np.ndarray, "bin"] | np.ndarray) -> Bool[np.ndarray, "bin"]:
    """Return which bins belong to a split, so that they have latents."""
    return np.isin(split, ["train", "validation", "test"])
