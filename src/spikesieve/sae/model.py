"""The sparse autoencoder as an estimator: numpy in and out, fit, transform, save, load."""

import json
from os import PathLike
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import scipy.sparse
import torch
from jaxtyping import Float, Real

from spikesieve.errors import ContractError, InputError, suggest
from spikesieve.files import atomic_path, sha256, write_json
from spikesieve.sae.training import Parameters, Settings, encode, train

ARCHITECTURES = ("batch_topk",)
SCHEMA_VERSION = 1
CHECKPOINT, DESCRIPTION = "checkpoint.safetensors", "model.json"

#: Rows that are encoded at once. Shorter pieces are padded to it: a matrix product of another
#: shape may round otherwise, and a bin's latents must not depend on who is encoded beside it.
BLOCK_ROWS = 1024


class SparseAutoencoder:
    """A dictionary of population patterns, of which few are active in any bin.

    Parameters
    ----------
    architecture : ``"batch_topk"``, the only one yet.
    n_latents : width of the dictionary. Fewer where bins are few: about a tenth of the bins is
        the most that can be learnt.
    k : latents active in a bin on average. Near the number of things that happen at once; more
        raises the reconstruction's R2 and finds fewer true features.
    seed : of weights and batches. The same seed gives the same model on the same machine.
    n_steps, batch_size, learning_rate : of Adam. A batch larger than the data is the data.
    device : ``"auto"`` (a GPU where there is one), ``"cpu"`` or ``"cuda"``.
    dead_after : steps without firing after which a latent counts as dead and is helped.
    aux_weight : weight of that help against the reconstruction's loss.

    Attributes
    ----------
    history_ : one row a logged step of the last ``fit`` (None in a loaded model).
    parameters_, threshold_ : weights, and the value below which a code is zero.

    Raises
    ------
    InputError
        An argument is unknown or out of range.
    """

    def __init__(
        self,
        architecture: str = "batch_topk",
        n_latents: int = 128,
        k: int = 8,
        seed: int = 0,
        *,
        n_steps: int = 2000,
        batch_size: int = 1024,
        learning_rate: float = 5e-3,
        device: str = "auto",
        dead_after: int = 100,
        aux_weight: float = 1 / 32,
    ):
        if architecture not in ARCHITECTURES:
            hint = suggest(str(architecture), list(ARCHITECTURES))
            raise InputError(f"architecture {architecture!r}{hint}", allowed=str(ARCHITECTURES))
        self.architecture = architecture
        self.settings = Settings(
            n_latents, k, int(seed), n_steps, batch_size, learning_rate, dead_after, aux_weight
        )
        _check_settings(self.settings)
        self.device = _device(device)
        self.history_ = self.parameters_ = self.threshold_ = None

    def fit(self, x: Real[np.ndarray, "bin unit"]) -> "SparseAutoencoder":
        """Learn from all rows of ``x`` (counts, best normalised; hand in training rows only).

        Raises ``InputError`` for values that are not finite, ``TrainingError`` for a loss that
        turns NaN. Earlier weights are kept when it raises.
        """
        trained = train(_checked(x), self.settings, self.device)
        self.parameters_, self.threshold_, self.history_ = trained
        return self

    def transform(self, x: Real[np.ndarray, "bin unit"]) -> scipy.sparse.csr_array:
        """Return the codes of each bin as float32 CSR ``(bin, latent)``; each bin on its own.

        Raises ``InputError`` when not fitted, for another number of units, or for NaN.
        """
        p = self._fitted()
        x = _checked(x, n_units=p.decoder.shape[1])
        blocks = [self._encode(x[i : i + BLOCK_ROWS]) for i in range(0, len(x), BLOCK_ROWS)]
        return scipy.sparse.vstack(blocks, format="csr")

    def inverse_transform(
        self, latents: scipy.sparse.csr_array | Float[np.ndarray, "bin latent"]
    ) -> Float[np.ndarray, "bin unit"]:
        """Return what ``latents`` stand for, on the scale of the ``x`` that was fitted."""
        p = self._fitted()
        if latents.shape[1] != len(p.decoder):
            raise InputError(f"{latents.shape[1]} latents", allowed=f"{len(p.decoder)}")
        x = latents @ p.decoder.cpu().numpy()
        x += p.decoder_bias.cpu().numpy()
        return x

    def save(self, folder: str | PathLike, *, about: dict | None = None) -> None:
        """Write ``checkpoint.safetensors`` and ``model.json`` (``about`` beside the settings)."""
        p = self._fitted()
        arrays = {name: tensor.cpu().numpy() for name, tensor in p._asdict().items()}
        arrays["threshold"] = np.array([self.threshold_], np.float32)
        folder = Path(folder)
        with atomic_path(folder / CHECKPOINT) as temporary:
            safetensors.numpy.save_file(arrays, temporary)
        description = {
            "schema_version": SCHEMA_VERSION,
            "device": self.device.type,
            "architecture": self.architecture,
            "settings": self.settings._asdict(),
            "n_units": p.decoder.shape[1],
            "checkpoint_sha256": sha256(folder / CHECKPOINT),
        }
        write_json(folder / DESCRIPTION, description | {"about": about or {}})

    @classmethod
    def load(cls, folder: str | PathLike, *, device: str = "auto") -> "SparseAutoencoder":
        """Read what ``save`` wrote.

        Raises ``ContractError`` when a file is missing, damaged, or of a newer schema.
        """
        folder = Path(folder)
        description = _read_description(folder / DESCRIPTION)
        path, mend = folder / CHECKPOINT, "delete the folder and train again"
        try:
            if sha256(path) != description["checkpoint_sha256"]:
                raise ContractError(
                    f"is not the checkpoint of its {DESCRIPTION}", path=path, fix=mend
                )
            arrays = safetensors.numpy.load_file(path)
            model = cls(description["architecture"], **description["settings"], device=device)
            threshold = float(arrays.pop("threshold")[0])
            tensors = {name: torch.from_numpy(a).to(model.device) for name, a in arrays.items()}
            model.parameters_, model.threshold_ = Parameters(**tensors), threshold
            found = tuple(model.parameters_.decoder.shape)
            wanted = (model.settings.n_latents, description["n_units"])
        except (OSError, KeyError, TypeError, InputError, safetensors.SafetensorError) as error:
            raise ContractError(f"unreadable model ({error})", path=path, fix=mend) from error
        if found != wanted:
            raise ContractError(f"shape {found}, not {wanted}", path=path, fix=mend)
        return model

    def _encode(self, x: Float[np.ndarray, "block unit"]) -> scipy.sparse.csr_array:
        padded = np.zeros((BLOCK_ROWS, x.shape[1]), np.float32)
        padded[: len(x)] = x
        codes = encode(self.parameters_, torch.from_numpy(padded).to(self.device))[: len(x)]
        codes = torch.where(codes >= self.threshold_, codes, 0)
        return scipy.sparse.csr_array(codes.cpu().numpy())

    def _fitted(self) -> Parameters:
        if self.parameters_ is None:
            raise InputError("the autoencoder is not fitted yet", fix="call fit first")
        return self.parameters_


def _check_settings(settings: Settings) -> None:
    for name in ("n_latents", "k", "n_steps", "batch_size", "dead_after"):
        value = getattr(settings, name)
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} {value!r}", allowed="whole numbers from 1")
    if settings.k > settings.n_latents:
        raise InputError(
            f"k {settings.k} is more than n_latents {settings.n_latents}",
            allowed=f"1 to {settings.n_latents}",
            fix="lower sae.k or widen sae.n_latents",
        )
    if not 0 < settings.learning_rate < np.inf:
        raise InputError(f"learning_rate {settings.learning_rate!r}", allowed="above 0")
    if not 0 <= settings.aux_weight < np.inf:
        raise InputError(f"aux_weight {settings.aux_weight!r}", allowed="0 or more")
    if not 0 <= settings.seed < 2**63:
        raise InputError(f"seed {settings.seed!r}", allowed="0 to 2**63 - 1")


def _device(name: str) -> torch.device:
    known = ["auto", "cpu", "cuda"]
    if name not in known:
        raise InputError(f"device {name!r}{suggest(str(name), known)}", allowed=", ".join(known))
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda': no GPU is visible here", fix="take device 'auto'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _checked(x, n_units: int | None = None) -> Float[np.ndarray, "bin unit"]:
    """Return ``x`` as contiguous float32 (the same memory where it is that already)."""
    x = np.ascontiguousarray(x, dtype=np.float32)
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"counts of shape {x.shape}", allowed="(bins, units), at least one each")
    if n_units is not None and x.shape[1] != n_units:
        raise InputError(
            f"{x.shape[1]} units, but the model was fitted on {n_units}",
            fix="transform the same units in the same order",
        )
    # A row's sum in double precision is finite exactly when all its float32 values are.
    bad = ~np.isfinite(x.sum(axis=1, dtype=np.float64))
    if bad.any():
        raise InputError(
            f"row {int(np.argmax(bad))} holds NaN or infinity ({bad.sum()} such rows)",
            allowed="finite values",
        )
    return x


def _read_description(path: Path) -> dict:
    try:
        description = json.loads(path.read_text())
        version = description["schema_version"]
        newer = version > SCHEMA_VERSION
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(f"unreadable model description ({error})", path=path) from error
    if newer:
        raise ContractError(
            f"schema version {version} is newer than this code's {SCHEMA_VERSION}",
            path=path,
            fix="update spikesieve",
        )
    return description
