"""Keep the state of a training on disk, and go on from it bit for bit; save and load networks."""

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
from torch import nn

from spikesieve.code_digest import code_digest
from spikesieve.distance.bins import Bins
from spikesieve.distance.networks import make_network
from spikesieve.distance.settings import Settings, make_settings
from spikesieve.distance.training import State
from spikesieve.errors import ContractError
from spikesieve.files import atomic_path, write_json

SCHEMA_VERSION = 1
_UNREADABLE = (OSError, KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError)


class Trained(NamedTuple):
    """A trained network and what it was trained on: units in its order, as (recording, id)."""

    network: nn.Module
    settings: Settings
    units: list[tuple[str, int]]
    channels: tuple[str, ...]
    bin_s: float


def fingerprint(bins: list[Bins], s: Settings) -> str:
    """Return what a state belongs to: it is no use with other recordings, settings or code."""
    digest = hashlib.sha256(json.dumps(s._asdict(), sort_keys=True).encode())
    digest.update(code_digest(Path(__file__), Path(__file__).parents[2]).encode())
    for one in bins:
        digest.update(repr((one.recording, one.channels, one.bin_s, one.spikes.shape)).encode())
        digest.update("".join(one.split).encode())
        for array in (one.unit_ids, one.spikes, one.stimulus):
            digest.update(array.tobytes())
    return digest.hexdigest()


def save_state(path: Path, state: State, belongs_to: str) -> None:
    """Write ``state`` atomically as one safetensors file."""
    tensors = {f"network.{k}": v.contiguous() for k, v in state.network.state_dict().items()}
    tensors |= {f"best.{k}": v.contiguous() for k, v in state.best.items()}
    for number, held in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{k}": v.contiguous() for k, v in held.items()}
    about = {"belongs_to": belongs_to, "step": state.step, "wall_s": state.wall_s}
    about |= {"best_loss": repr(state.best_loss), "rows": state.rows}
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, {"about": json.dumps(about)})


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
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        groups: dict[str, dict] = {"network": {}, "best": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            group, _, key = name.partition(".")
            groups[group][key] = tensor
        first.network.load_state_dict(groups["network"])
        held: dict[int, dict] = {}
        for key, tensor in groups["optimiser"].items():
            number, _, name = key.partition(".")
            held.setdefault(int(number), {})[name] = tensor
        whole = first.optimiser.state_dict() | {"state": held}
        first.optimiser.load_state_dict(whole)
        return first._replace(
            step=about["step"],
            best=groups["best"],
            best_loss=float(about["best_loss"]),
            rows=about["rows"],
            wall_s=about["wall_s"],
        )
    except _UNREADABLE as error:
        raise ContractError(
            f"unreadable training state ({error})", path=path, fix="delete it to start over"
        ) from error


def save_network(folder: Path, trained: Trained, about: dict) -> None:
    """Write ``checkpoint.safetensors`` and ``model.json``."""
    with atomic_path(folder / "checkpoint.safetensors") as temporary:
        weights = {
            k: v.detach().cpu().contiguous() for k, v in trained.network.state_dict().items()
        }
        safetensors.torch.save_file(weights, temporary)
    held = {
        "schema_version": SCHEMA_VERSION,
        "settings": trained.settings._asdict(),
        "units": [list(unit) for unit in trained.units],
        "channels": list(trained.channels),
        "bin_s": trained.bin_s,
    }
    write_json(folder / "model.json", about | held)


def load_network(folder: str | PathLike) -> Trained:
    """Read what ``save_network`` wrote, ready to predict.

    Raises
    ------
    ContractError
        A file is missing, damaged or of a newer version, or the two don't belong together.
    """
    folder = Path(folder)
    try:
        held = json.loads((folder / "model.json").read_text())
        if held["schema_version"] > SCHEMA_VERSION:
            raise ContractError(
                f"schema version {held['schema_version']} is newer than this code's "
                f"{SCHEMA_VERSION}",
                path=folder / "model.json",
                fix="update spikesieve",
            )
        s = make_settings(**held["settings"])
        units = [(str(recording), int(unit)) for recording, unit in held["units"]]
        channels = tuple(map(str, held["channels"]))
        network = make_network(s, n_channels=len(channels), n_units=len(units), rate_per_bin=0.01)
        network.load_state_dict(safetensors.torch.load_file(folder / "checkpoint.safetensors"))
        return Trained(network.eval(), s, units, channels, float(held["bin_s"]))
    except ContractError:
        raise
    except _UNREADABLE as error:
        raise ContractError(
            f"no readable network ({error})", path=folder, fix="delete it and train again"
        ) from error
