"""What a trained method leaves behind: its numbers, and how it came to be."""

from pathlib import Path

import safetensors.torch
from torch import Tensor

from spikesieve.files import atomic_path, write_json

#: Not the name of an autoencoder's checkpoint: other stages run those again.
NUMBERS = "network.safetensors"


def save_numbers(folder: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write ``network.safetensors`` and ``model.json``."""
    with atomic_path(folder / NUMBERS) as temporary:
        contiguous = {name: t.detach().contiguous() for name, t in tensors.items()}
        safetensors.torch.save_file(contiguous, temporary)
    write_json(folder / "model.json", about)
