"""Trained models to and from the JumpReLU layout that SAE tools share."""

from os import PathLike
from pathlib import Path

import numpy as np
import torch

from spikesieve.errors import InputError
from spikesieve.sae.exchange import (
    CONFIGURATION,
    JumpRelu,
    read_jumprelu,
    read_metadata,
    write_jumprelu,
)
from spikesieve.sae.inputs import Scaling
from spikesieve.sae.model import SparseAutoencoder

#: Architectures whose codes are a product, a bias and a threshold.
THRESHOLDED = ("vanilla", "jumprelu", "batch_topk", "matryoshka_batch_topk")
_ABOUT = "spikesieve"


def export_model(model: SparseAutoencoder, folder: str | PathLike, *, instance: int = 0) -> None:
    """Write an instance's encoder and decoder so that other SAE tools can load them.

    The layout's ``x`` is the scaled counts that the model reconstructs; how counts become ``x``
    (root, gain, offset, smoothing) stands in the file's metadata. A Poisson readout has no place
    in it: codes are the encoder's.

    Raises
    ------
    InputError
        The model is not fitted, or is more than the layout can say: windows, hidden decoder
        layers, an output activation, another architecture, other inputs than targets.
    """
    p, s = model._instance(instance), model.settings
    problems = {
        f"architecture {s.architecture!r}": s.architecture not in THRESHOLDED,
        f"seq_len {s.seq_len}": s.seq_len > 1,
        "decoder_layers": bool(s.decoder_layers),
        f"output_activation {s.output_activation!r}": s.output_activation != "none",
    }
    if found := [name for name, is_one in problems.items() if is_one]:
        allowed = f"{', '.join(THRESHOLDED)}; one bin, one linear decoder"
        raise InputError(f"{', '.join(found)}: no JumpReLU autoencoder", allowed=allowed)
    before, after = model._scalings
    if not model._predicts_counts or before.root != after.root:
        raise InputError("inputs that are not the targets: no JumpReLU autoencoder")
    ratio = before.gain / after.gain
    encoder, bias = p["encoder"][0], p["decoder_bias"][0]
    shift = encoder @ (ratio * after.offset - before.offset) + (encoder * ratio) @ bias
    threshold = torch.zeros(s.n_latents)
    if s.architecture == "jumprelu":
        threshold = p["log_threshold"][0].exp()
    elif s.architecture != "vanilla":
        threshold = model.thresholds_[instance, -1].expand(s.n_latents)
    arrays = (encoder * ratio, p["encoder_bias"][0] + shift, p["decoder"][0], bias, threshold)
    about = {"root": after.root, "smoothing": s.smoothing}
    about |= {"gain": after.gain.tolist(), "offset": after.offset.tolist()}
    shared = JumpRelu(*(tensor.detach().cpu().numpy() for tensor in arrays))
    write_jumprelu(folder, shared, about={_ABOUT: about})


def import_model(folder: str | PathLike, *, device: str = "auto") -> SparseAutoencoder:
    """Return a JumpReLU ``SparseAutoencoder`` from that layout; it takes counts.

    Scaled as the metadata of ``export_model`` say; another tool's model gets counts as they are.
    Raises as ``read_jumprelu`` does, and ``InputError`` for metadata that make no sense.
    """
    shared = read_jumprelu(folder)
    n_latents, n_units = shared.encoder.shape
    about = _how_scaled(read_metadata(folder), n_units, Path(folder) / CONFIGURATION)
    root = about["root"]
    model = SparseAutoencoder(
        "jumprelu",
        n_latents,
        0,
        device=device,
        smoothing=about["smoothing"],
        normalisation="sqrt_centred" if root else "none",
        penalty="none",  # it is not trained here
        readout="encoder",
    )
    gain, offset = (torch.tensor(about[name], dtype=torch.float32) for name in ("gain", "offset"))
    tensors = {name: torch.from_numpy(array.copy()) for name, array in shared._asdict().items()}
    # Their "from" is our "above".
    below = np.nextafter(shared.threshold, np.float32(-np.inf)).clip(min=np.finfo(np.float32).tiny)
    tensors["log_threshold"] = torch.from_numpy(np.log(below.astype(np.float64))).float()
    del tensors["threshold"]
    model.parameters_ = {name: t[None].to(model.device) for name, t in tensors.items()}
    model.thresholds_ = torch.zeros(1, 1)
    outputs = Scaling(root, gain.to(model.device), offset.to(model.device))
    bias = model.parameters_["decoder_bias"][0]
    # A gain of each one's own: a checkpoint takes no tensor twice.
    inputs = Scaling(root, outputs.gain.clone(), outputs.offset + bias)
    model._scalings = (inputs, outputs)
    return model


def _how_scaled(metadata: dict, n_units: int, path: Path) -> dict:
    """Return how counts become ``x``: what ``export_model`` wrote, checked, or nothing done."""
    given = metadata.get(_ABOUT, {})
    if not isinstance(given, dict):
        raise InputError(f"metadata {metadata!r}", path=path, allowed=f"{_ABOUT}: {{...}} or none")
    plain = {"root": False, "smoothing": 0.0, "gain": [1.0] * n_units, "offset": [0.0] * n_units}
    about = plain | {name: value for name, value in given.items() if name in plain}
    gain, offset = about["gain"], about["offset"]
    wrong = {
        "root": not isinstance(about["root"], bool),
        "smoothing": not _is_number(about["smoothing"]) or about["smoothing"] < 0,
        "gain": not _are_numbers(gain, n_units) or not all(x > 0 for x in gain),
        "offset": not _are_numbers(offset, n_units),
    }
    for name in [name for name, is_wrong in wrong.items() if is_wrong]:
        raise InputError(
            f"metadata {_ABOUT}.{name} {str(about[name])[:80]}",
            path=path,
            allowed=f"root: true or false; smoothing: from 0; gain (above 0) and offset: a number "
            f"for each of {n_units} units",
        )
    return about


def _are_numbers(value, n: int) -> bool:
    return isinstance(value, list) and len(value) == n and all(map(_is_number, value))


def _is_number(value) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) < 1e38  # NaN is not
