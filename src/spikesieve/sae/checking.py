"""What a model is handed, checked at the door."""

from numbers import Integral

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Bool, Real

from spikesieve.errors import InputError, suggest
from spikesieve.sae.inputs import Data
from spikesieve.sae.settings import Level, Settings

#: Share of the bins, at the end, that choose and judge where nobody hands in a validation block.
HELD_OUT = 0.1


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
    if not isinstance(validation, (tuple, list)) or not 1 <= len(validation) <= 3:
        problem = f"validation of type {type(validation).__name__}"
        raise InputError(problem, allowed="a tuple (counts, bins) or (counts, bins, target)")
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


def hold_out(counts, bins):
    """Return the bins to train on, and the last tenth as a validation block."""
    first = len(counts) - max(int(HELD_OUT * len(counts)), 1)
    return (counts[:first], bins[:first]), (held := counts[first:], bins[first:], held)


def check_held_out_needed(counts, left_open: list[str], s: Settings) -> None:
    """Raise ``InputError`` where what is asked for cannot do without a validation block."""
    if s.patience is not None:
        fix = "hand in validation=(counts, bins), or set patience: null (None)"
        raise InputError(f"patience {s.patience} without a validation block to look at", fix=fix)
    if left_open and len(counts) < 2:
        problem = f"{len(counts)} bin, of which none can be held out to choose by"
        raise InputError(problem, fix=f"set {', '.join(left_open)}, or hand in more bins")


def check_windows(data: Data, block: str, s: Settings) -> None:
    """Raise ``InputError`` where no bin has all those beside it that are to be reconstructed."""
    if not len(data.rows):
        raise InputError(
            f"none of {len(data.counts)} {block} bins has all of {list(s.reconstruct)} beside it",
            fix="lower seq_len, or reconstruct fewer bins",
        )


def known_rows(counts, bins, n_units: int):
    """Return checked counts of the units that a model was fitted on, and bin numbers."""
    counts, bins, _ = checked(counts, bins, None)
    if counts.shape[1] != n_units:
        raise InputError(
            f"{counts.shape[1]} units, but the model was fitted on {n_units}",
            fix="transform the same units in the same order",
        )
    return counts, bins


def level_of(s: Settings, level: int) -> Level:
    """Return the nested dictionary of this number, -1 being the last."""
    if not isinstance(level, Integral) or not -len(s.levels) <= level < len(s.levels):
        raise InputError(f"level {level}", allowed=f"0 to {len(s.levels) - 1}, or -1: the last")
    return s.levels[level]


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


def checked_latents(latents, widths: set[int]):
    """Return latents, sparse or dense ``(bin, latent)``, or say what is wrong with them."""
    sparse = scipy.sparse.issparse(latents)
    latents = scipy.sparse.csr_array(latents) if sparse else np.asarray(latents)
    if latents.ndim != 2 or latents.shape[1] not in widths:
        what = f"{latents.shape[1]} latents" if latents.ndim == 2 else f"shape {latents.shape}"
        raise InputError(what, allowed=f"(bins, latents), {sorted(widths)} latents")
    if latents.dtype.kind not in "buif":
        raise InputError(f"latents of type {latents.dtype}", allowed="numbers")
    if not np.isfinite(latents.data if sparse else latents).all():
        raise InputError("latents hold NaN or infinity", allowed="finite values")
    return latents


def _finite(x, what: str) -> Real[np.ndarray, "bin column"]:
    if scipy.sparse.issparse(x):
        raise InputError(f"{what} as a sparse matrix", allowed="an array", fix="take .toarray()")
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
