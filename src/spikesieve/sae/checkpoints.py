"""Trained models on disk: safetensors for numbers, JSON for words, no pickle."""

import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spikesieve.errors import ContractError
from spikesieve.files import atomic_path, sha256, write_json

SCHEMA_VERSION = 2
CHECKPOINT, DESCRIPTION = "checkpoint.safetensors", "model.json"
_MEND = "delete the folder and train again"


def save_model(folder: Path, tensors: dict[str, Tensor], description: dict) -> None:
    """Write ``checkpoint.safetensors`` and ``model.json``, the latter with the former's digest."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / CHECKPOINT) as temporary:
        contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        safetensors.torch.save_file(contiguous, temporary)
    stamp = {"schema_version": SCHEMA_VERSION, "checkpoint_sha256": sha256(folder / CHECKPOINT)}
    write_json(folder / DESCRIPTION, stamp | description)


def read_model(folder: Path) -> tuple[dict[str, Tensor], dict]:
    """Return the tensors and the description that ``save_model`` wrote.

    Raises
    ------
    ContractError
        A file is missing, damaged, of another model or of another schema version.
    """
    description = _read_description(folder / DESCRIPTION)
    path = folder / CHECKPOINT
    try:
        if sha256(path) != description["checkpoint_sha256"]:
            raise ContractError(f"is not the checkpoint of its {DESCRIPTION}", path=path, fix=_MEND)
        return safetensors.torch.load_file(path), description
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise ContractError(f"unreadable model ({error})", path=path, fix=_MEND) from error


def check_tensors(folder: Path, found: dict[str, Tensor], wanted: dict[str, tuple]) -> None:
    """Raise ``ContractError`` unless ``found`` are the tensors of these names and shapes.

    All hold finite float32 numbers, gains other than 0, but for the whole numbers of ``kept``.
    """
    path = folder / CHECKPOINT
    if found.keys() != wanted.keys():
        names = sorted(found.keys() ^ wanted.keys())
        raise ContractError(f"tensors {names} are missing or unknown", path=path, fix=_MEND)
    for name, shape in wanted.items():
        tensor = found[name]
        kind = torch.int64 if name.endswith(".kept") else torch.float32
        if tuple(tensor.shape) != tuple(shape):
            problem = f"{name} has shape {tuple(tensor.shape)}, not {tuple(shape)}"
        elif tensor.dtype != kind:
            problem = f"{name} holds {tensor.dtype}, not {kind}"
        elif not tensor.isfinite().all():
            problem = f"{name} holds NaN or infinity"
        elif name.endswith(".gain") and (tensor == 0).any():
            problem = f"{name} holds 0"
        else:
            continue
        raise ContractError(problem, path=path, fix=_MEND)


def _read_description(path: Path) -> dict:
    try:
        description = json.loads(path.read_text())
        newer = description["schema_version"] > SCHEMA_VERSION
        older = description["schema_version"] < SCHEMA_VERSION
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"unreadable model description ({error})"
        raise ContractError(problem, path=path, fix=_MEND) from error
    if newer or older:
        raise ContractError(
            f"schema version {description['schema_version']} is "
            f"{'newer' if newer else 'older'} than this code's {SCHEMA_VERSION}",
            path=path,
            fix="update spikesieve" if newer else "train again",
        )
    return description
