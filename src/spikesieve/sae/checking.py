"""What a model is handed, checked at the door."""

import numpy as np
import torch
from jaxtyping import Bool, Real

from spikesieve.errors import InputError, suggest
from spikesieve.sae.inputs import Data
from spikesieve.sae.settings import Settings


def find_device(name: str) -> torch.device:
    """Return the device of this name, ``"auto"`` being a GPU where there is one."""
    known = ["auto", "cpu", "cuda"]
    if name not in known:
        raise InputError(f"device {name!r}{suggest(str(name), known)}", allowed=", ".join(known))
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda': no GPU is visible here", fix="take device 'auto'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def training_rows(counts, bins=None, target=None):
    """Return checked counts, bin numbers and target: the counts themselves where none is given."""
    counts, bins, target = checked(counts, bins, target)
    return counts, bins, counts if target is None else target


def held_out_rows(validation: tuple, train_counts, train_target):
    """Return the validation block as ``training_rows`` does; it must fit the training bins."""
    counts, bins, target = training_rows(*validation)
    if (target is counts) != (train_target is train_counts):
        raise InputError(
            "target in one of training and validation, and not in the other",
            fix="hand in validation=(counts, bins, target) where there is a target",
        )
    found = [x.shape[1] for x in (counts, target)]
    wanted = [x.shape[1] for x in (train_counts, train_target)]
    if found != wanted:
        raise InputError(
            f"validation counts and target of {found} units",
            allowed=f"{wanted}, as in the training bins",
        )
    return counts, bins, target


def check_windows(data: Data, block: str, s: Settings) -> None:
    """Raise ``InputError`` where no bin has all those beside it that are to be reconstructed."""
    if not len(data.rows):
        raise InputError(
            f"none of {len(data.counts)} {block} bins has all of {list(s.reconstruct)} beside it",
            fix="lower seq_len, or reconstruct fewer bins",
        )


def checked(counts, bins, target):
    """Return counts, bin numbers and target (None stays None), or say what is wrong with them."""
    counts = _finite(counts, "counts")
    bins = np.arange(len(counts)) if bins is None else np.asarray(bins)
    numbered = bins.shape == (len(counts),) and bins.dtype.kind in "ui"
    if not numbered or (np.diff(bins.astype(np.int64)) <= 0).any():
        raise InputError(
            f"bin numbers of shape {bins.shape} and type {bins.dtype} for {len(counts)} bins",
            allowed="a whole number a bin, ascending, none twice",
        )
    if target is not None:
        target = _finite(target, "target")
        if len(target) != len(counts):
            raise InputError(f"{len(target)} bins of target", allowed=f"{len(counts)}, as counts")
    return counts, bins, target


def _finite(x, what: str) -> Real[np.ndarray, "bin column"]:
    x = np.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        problem = f"{what} of shape {x.shape}"
        raise InputError(problem, allowed="(bins, units), at least one each")
    if x.dtype.kind not in "uif":
        raise InputError(f"{what} of type {x.dtype}", allowed="numbers")
    if x.dtype.kind == "f":
        # A row's sum in double precision is finite exactly when all its float32 values are.
        bad = ~np.isfinite(x.astype(np.float32, copy=False).sum(axis=1, dtype=np.float64))
        if bad.any():
            raise InputError(
                f"row {int(np.argmax(bad))} of {what} holds NaN or infinity ({bad.sum()} rows do)",
                allowed="finite values",
            )
    if x.dtype.kind != "u" and (x < 0).any():
        row, column = np.argwhere(x < 0)[0]
        raise InputError(
            f"{what}[{row}, {column}] is {x[row, column]}",
            allowed="counts from 0; normalise by the setting 'normalisation'",
        )
    return x


def unit_mask(hidden, n_units: int) -> Bool[np.ndarray, "unit"]:
    """Return which units are hidden, or say what is wrong with that."""
    hidden = np.asarray(hidden)
    if hidden.shape != (n_units,) or hidden.dtype != bool:
        problem = f"hidden of shape {hidden.shape} and type {hidden.dtype}"
        raise InputError(problem, allowed="True or False for each unit")
    return hidden
