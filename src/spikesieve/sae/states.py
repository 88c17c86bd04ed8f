"""Keep the state of a training on disk, and go on from it bit for bit."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from spikesieve.errors import ContractError
from spikesieve.files import atomic_path
from spikesieve.sae.inputs import Data
from spikesieve.sae.settings import Settings, plain
from spikesieve.sae.training import State, TrainingError

#: What reading a damaged file may raise, besides safetensors' own.
UNREADABLE = (OSError, KeyError, TypeError, ValueError, RuntimeError)
#: Folder beside the states for the model that a failed training leaves.
LAST_GOOD = "last_good"
_INSTANCES = ("idle", "best_score", "strikes")


def fingerprint(data: Data, validation: Data | None, s: Settings, seeds: list[int]) -> str:
    """Return what a state belongs to: it is no use with other data, settings or seeds."""
    digest = hashlib.sha256(json.dumps([plain(s), seeds], sort_keys=True).encode())
    for block in (data, validation):
        for tensor in () if block is None else (block.counts, block.targets, block.neighbours):
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def save_state(path: Path, state: State, belongs_to: str) -> None:
    """Write ``state`` atomically as one safetensors file."""
    tensors = {name: getattr(state, name) for name in _INSTANCES}
    for group, values in (
        ("parameters", state.parameters),
        ("best", state.best),
        ("optimiser", state.optimiser.state()),
    ):
        tensors |= {f"{group}.{name}": tensor.detach() for name, tensor in values.items()}
    about = {"belongs_to": belongs_to, "step": state.step, "wall_s": state.wall_s}
    metadata = {"about": json.dumps(about), "rows": json.dumps(state.rows)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        safetensors.torch.save_file(contiguous, temporary, metadata)


def restored(path: Path, first: State, belongs_to: str) -> State:
    """Return the state kept at ``path``, or ``first`` where there is none of this training.

    Raises
    ------
    ContractError
        The file is damaged.
    """
    if not path.is_file():
        return first
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            if about["belongs_to"] != belongs_to:
                return first
            rows = json.loads(file.metadata()["rows"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        groups: dict[str, dict] = {"parameters": {}, "best": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            group, _, key = name.partition(".")
            if key:
                groups[group][key] = tensor
        with torch.no_grad():
            for name, tensor in first.parameters.items():
                tensor.copy_(groups["parameters"][name])
        first.optimiser.restore(groups["optimiser"])
        device = first.idle.device
        return first._replace(
            step=about["step"],
            idle=tensors["idle"].to(device),
            best={name: tensor.to(device) for name, tensor in groups["best"].items()},
            best_score=tensors["best_score"],
            strikes=tensors["strikes"],
            rows=rows,
            wall_s=about["wall_s"],
        )
    except (*UNREADABLE, safetensors.SafetensorError) as error:
        raise ContractError(
            f"unreadable training state ({error})", path=path, fix="delete it to start over"
        ) from error


def settle(
    save: Callable[[Path], None], folder: Path | None, failure: TrainingError | None
) -> None:
    """Raise ``failure``, after its last good model is kept in ``folder``; else clear that away."""
    kept = folder and folder / LAST_GOOD
    if failure is None:
        if kept:
            shutil.rmtree(kept, ignore_errors=True)
        return
    where = "The model has the weights of the last step at which all was finite"
    if kept:
        save(kept)
        where += f", kept in {kept}: SparseAutoencoder.load reads it"
    raise TrainingError(f"{failure} {where}") from failure
