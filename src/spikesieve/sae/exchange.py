"""Dictionaries in the JumpReLU layout that SAE tools share: ``cfg.json`` beside safetensors.

The layout is that of sae-lens 6 (docs: decoderesearch.github.io/SAELens). It has ``W_enc`` (unit,
latent), ``b_enc``, ``W_dec`` (latent, unit), ``b_dec`` and ``threshold``; a code
``(x - b_dec) W_enc + b_enc`` counts where it is *above* its threshold and above 0.
"""

import json
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float32

from spikesieve.errors import InputError
from spikesieve.files import atomic_path, write_json

WEIGHTS, CONFIGURATION = "sae_weights.safetensors", "cfg.json"
TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
#: Without a version sae-lens takes a file for one of its layouts before 6, and rewrites its fields.
LAYOUT_VERSION = "6.0.0"
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class JumpRelu(NamedTuple):
    """A dictionary: codes are ``encoder (x - decoder_bias) + encoder_bias``.

    A code counts from its ``threshold`` on (``>=``, above 0), and is 0 otherwise; ``x`` is
    rebuilt as ``codes decoder + decoder_bias``.
    """

    encoder: Float32[np.ndarray, "latent unit"]
    encoder_bias: Float32[np.ndarray, "latent"]
    decoder: Float32[np.ndarray, "latent unit"]
    decoder_bias: Float32[np.ndarray, "unit"]
    threshold: Float32[np.ndarray, "latent"]


def write_jumprelu(folder: str | PathLike, model: JumpRelu, *, about: dict | None = None) -> None:
    """Write ``model`` to ``folder``, where ``sae_lens.SAE.load_from_disk`` finds it.

    ``about`` goes into the file's ``metadata``: say there how counts become ``x`` (the
    normalisation), which the layout has no place for. The weights come first and ``cfg.json``
    last, so that a folder with a ``cfg.json`` is whole.

    Raises
    ------
    InputError
        Shapes that don't fit each other, or values that are not finite. Nothing is written then.
    """
    folder = Path(folder)
    arrays = {name: np.asarray(array, np.float32) for name, array in model._asdict().items()}
    _check(JumpRelu(**arrays), folder)
    n_latents, n_units = arrays["encoder"].shape
    tensors = {
        "W_enc": arrays["encoder"].T,
        "b_enc": arrays["encoder_bias"],
        "W_dec": arrays["decoder"],
        "b_dec": arrays["decoder_bias"],
        # The next number below: their "above" is our "from".
        "threshold": np.nextafter(arrays["threshold"], np.float32(-np.inf)),
    }
    configuration = {
        "architecture": "jumprelu",
        "d_in": n_units,
        "d_sae": n_latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": LAYOUT_VERSION} | (about or {}),
    }
    json.dumps(configuration, allow_nan=False)  # what JSON can't hold is found before writing
    (folder / CONFIGURATION).unlink(missing_ok=True)
    with atomic_path(folder / WEIGHTS) as temporary:
        # A copy, as torch takes no read-only memory; contiguous, as safetensors wants it.
        copies = {name: torch.from_numpy(a.copy(order="C")) for name, a in tensors.items()}
        safetensors.torch.save_file(copies, temporary)
    write_json(folder / CONFIGURATION, configuration)


def read_jumprelu(folder: str | PathLike) -> JumpRelu:
    """Read a dictionary in this layout, of spikesieve or another tool, as float32.

    Where the file's encoder does not subtract ``b_dec`` (``apply_b_dec_to_input`` false), the
    encoder's bias is changed so that the codes are the same in ``JumpRelu``'s form.

    Raises
    ------
    InputError
        A file is missing or damaged; tensors are missing, unknown, of the wrong shape or not
        finite; or the file asks for what is not known here: another architecture, normalised or
        reshaped input.
    """
    folder = Path(folder)
    configuration = _read_configuration(folder / CONFIGURATION)
    path = folder / WEIGHTS
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"unreadable weights ({error})", path=path) from error
    if differing := sorted(tensors.keys() ^ set(TENSORS)):
        raise InputError(
            f"tensors {', '.join(differing)} are missing or unknown",
            path=path,
            allowed=", ".join(TENSORS),
        )
    if other := [name for name, t in tensors.items() if t.dtype not in FLOATS]:
        raise InputError(f"tensors {', '.join(other)} hold no real numbers", path=path)
    w = {name: tensor.to(torch.float32).numpy() for name, tensor in tensors.items()}
    above = np.nextafter(w["threshold"], np.float32(np.inf))
    model = JumpRelu(np.ascontiguousarray(w["W_enc"].T), w["b_enc"], w["W_dec"], w["b_dec"], above)
    _check(model, path)
    declared = (configuration["d_sae"], configuration["d_in"])
    if declared != model.decoder.shape:
        raise InputError(
            f"{model.decoder.shape} latents and units, but {CONFIGURATION} says {declared}",
            path=path,
        )
    if not configuration.get("apply_b_dec_to_input", True):
        shift = model.encoder.astype(np.float64) @ model.decoder_bias
        bias = (model.encoder_bias + shift).astype(np.float32)
        model = model._replace(encoder_bias=bias)
    return model


def read_metadata(folder: str | PathLike) -> dict:
    """Return what the file says besides its weights; raises as ``read_jumprelu`` does."""
    path = Path(folder) / CONFIGURATION
    metadata = _read_configuration(path).get("metadata") or {}
    if not isinstance(metadata, dict):
        raise InputError(f"metadata {metadata!r}", path=path, allowed="an object, {...}")
    return metadata


def _read_configuration(path: Path) -> dict:
    try:
        configuration = json.loads(path.read_text())
        architecture = configuration["architecture"]
        sizes = [configuration["d_in"], configuration["d_sae"]]
    except FileNotFoundError as error:
        raise InputError("no such file", path=path) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"unreadable description ({error!r})", path=path) from error
    if architecture != "jumprelu":
        raise InputError(f"architecture {architecture!r}", path=path, allowed="jumprelu")
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise InputError(f"d_in and d_sae {sizes}", path=path, allowed="whole numbers from 1")
    for key in ("normalize_activations", "reshape_activations"):
        if (value := configuration.get(key, "none")) not in ("none", None):
            raise InputError(f"{key} {value!r}", path=path, allowed="none")
    return configuration


def _check(model: JumpRelu, path: Path) -> None:
    shape = model.encoder.shape
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"encoder of shape {shape}", path=path, allowed="(latent, unit)")
    wanted = JumpRelu(shape, shape[:1], shape, shape[1:], shape[:1])
    for name, array in model._asdict().items():
        if array.shape != getattr(wanted, name):
            raise InputError(
                f"{name} of shape {array.shape}", path=path, allowed=f"{getattr(wanted, name)}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{name} holds NaN or infinity", path=path, allowed="finite values")
