"""A model as named tensors and back: what stands in ``checkpoint.safetensors`` under which name."""

from torch import Tensor

from spikesieve.sae.architectures import Parameters, parameter_shapes
from spikesieve.sae.inputs import Scaling
from spikesieve.sae.readout import Readout, readout_shapes, readout_tensors
from spikesieve.sae.settings import Settings, plain

_PARAMETERS = "parameters."


def tensors_of_model(
    parameters: Parameters,
    thresholds: Tensor,
    scalings: tuple[Scaling, Scaling],
    readouts: list[Readout],
) -> dict[str, Tensor]:
    """Return all numbers of a model's instances by name."""
    tensors = {f"{_PARAMETERS}{name}": tensor for name, tensor in parameters.items()}
    tensors["thresholds"] = thresholds
    for name, scaling in zip(("input", "target"), scalings, strict=True):
        tensors |= {f"{name}.gain": scaling.gain, f"{name}.offset": scaling.offset}
    return tensors | readout_tensors(readouts)


def settings_of_part(s: Settings, seeds: list[int]) -> dict:
    """Return, as JSON holds them, the settings of the instances of these ``seeds``."""
    # A part of the instances is what stability has left; there is nothing to compare it with.
    alone = {"min_stability": 0.0} if len(seeds) == 1 else {}
    return plain(s) | {"seed": seeds[0]} | alone


def tensor_shapes(
    tensors: dict[str, Tensor], s: Settings, n_instances: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a model's ``tensors`` must have, given how many units they scale.

    Raises ``KeyError`` where what tells that is missing.
    """
    n_units, n_targets = len(tensors["input.gain"]), len(tensors["target.gain"])
    n_inputs = n_units * (s.seq_len if s.window == "full" else 1)
    own = parameter_shapes(s, n_inputs, n_targets * len(s.reconstruct))
    shapes = {f"{_PARAMETERS}{name}": (n_instances, *shape) for name, shape in own.items()}
    shapes |= {"thresholds": (n_instances, len(s.levels))}
    shapes |= {f"input.{name}": (n_units,) for name in ("gain", "offset")}
    shapes |= {f"target.{name}": (n_targets,) for name in ("gain", "offset")}
    return shapes | (
        readout_shapes(tensors, n_instances, n_units) if s.readout == "poisson" else {}
    )


def parameters_from(tensors: dict[str, Tensor]) -> Parameters:
    """Return the weights among a model's ``tensors``."""
    start = len(_PARAMETERS)
    return {name[start:]: t for name, t in tensors.items() if name.startswith(_PARAMETERS)}


def scalings_from(tensors: dict[str, Tensor], roots: dict[str, bool]) -> tuple[Scaling, Scaling]:
    """Return how counts become inputs and targets; raises ``KeyError`` where that is missing."""
    inputs, outputs = (
        Scaling(roots[which], tensors[f"{which}.gain"], tensors[f"{which}.offset"])
        for which in ("input", "target")
    )
    return inputs, outputs
