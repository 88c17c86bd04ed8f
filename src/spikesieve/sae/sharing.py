"""Trained models to and from the JumpReLU layout that SAE tools share."""

from os import PathLike

import numpy as np
import torch

from spikesieve.errors import InputError
from spikesieve.sae.exchange import JumpRelu, read_jumprelu, read_metadata, write_jumprelu
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
    Raises as ``read_jumprelu`` does.
    """
    shared, about = read_jumprelu(folder), read_metadata(folder).get(_ABOUT, {})
    n_latents, n_units = shared.encoder.shape
    smoothing = float(about.get("smoothing", 0.0))
    settings = {"normalisation": "sqrt_centred" if about.get("root") else "none", "k": 0}
    settings |= {"penalty": "none"}  # it is not trained here
    model = SparseAutoencoder(
        "jumprelu", n_latents, device=device, smoothing=smoothing, readout="encoder", **settings
    )
    root, one = bool(about.get("root", False)), np.ones(n_units)
    gain, offset = about.get("gain", one), about.get("offset", 0 * one)
    gain, offset = (torch.as_tensor(a, dtype=torch.float32) for a in (gain, offset))
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
