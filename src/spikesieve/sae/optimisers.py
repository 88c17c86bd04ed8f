"""Optimisers behind one small interface, for parameters with a leading instance axis.

Adam and AdamW are torch's fused kernels, called directly: one pass over memory, several times
faster than ``torch.optim``'s loop, and without importing ``torch.optim``, which costs each
process seconds. The same holds for the other two, which are imported when asked for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from spikesieve.errors import ContractError, InputError, suggest
from spikesieve.sae.names import OPTIMISERS, TAKES_WEIGHT_DECAY

BETAS = (0.9, 0.999)

Stacked = Float[Tensor, "instance ..."]


class Optimiser(NamedTuple):
    """What changes the parameters that it was made for, in place.

    ``step(gradients, learning_rate)`` takes a gradient for each parameter, in their order.
    ``state()`` returns copies of all that the next step depends on, as flat named tensors
    (safetensors takes them); ``restore(saved)`` puts them back, bit for bit, and raises
    ``ContractError`` for those of other parameters or another optimiser. ``live`` holds Adam's
    tensors themselves, ``{number}.exp_avg``, ``.exp_avg_sq`` and ``.step``, for a step that is
    done elsewhere.
    """

    step: Callable[[Sequence[Tensor], float | Tensor], None]
    state: Callable[[], dict[str, Tensor]]
    restore: Callable[[dict[str, Tensor]], None]
    live: Mapping[str, Tensor] = MappingProxyType({})


def make_optimiser(
    name: str,
    parameters: Sequence[Stacked],
    *,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = BETAS,
) -> Optimiser:
    """Return the optimiser ``name`` of ``parameters``, whose instances stay independent.

    - ``adam`` (Kingma & Ba 2015), ``adamw`` (Loshchilov & Hutter 2019): torch's fused kernels.
      On a GPU the learning rate may be a tensor; then a step never waits for the device.
    - ``nadam`` (Dozat 2016): ``torch.optim.NAdam``.
    - ``lamb`` (You et al. 2020): that of ``pytorch_optimizer``, on the matrices, one layer an
      instance and parameter; the trust ratio makes ``learning_rate`` the relative change of a
      layer. Vectors (biases) go by Adam, as they start at zero, where a relative change is none.

    ``weight_decay`` is decoupled in AdamW, and part of the update that LAMB scales.

    Raises
    ------
    InputError
        An unknown name; weight decay out of range or where there is none.
    """
    if name not in OPTIMISERS:
        hint = suggest(str(name), list(OPTIMISERS))
        raise InputError(f"optimiser {name!r}{hint}", allowed=", ".join(OPTIMISERS))
    if not 0 <= weight_decay < math.inf:
        raise InputError(f"weight_decay {weight_decay!r}", allowed="0 or more")
    if weight_decay and name not in TAKES_WEIGHT_DECAY:
        raise InputError(
            f"weight_decay {weight_decay!r} with optimiser {name!r}, which has none",
            fix="set weight_decay: 0, or optimiser: adamw or lamb",
        )
    parameters = [p.detach() for p in parameters]  # the same memory, free to change in place
    if name == "nadam":
        return _nadam(parameters, betas)
    if name == "lamb":
        return _lamb(parameters, weight_decay, betas)
    return _fused_adam(parameters, weight_decay, betas, decoupled=name == "adamw")


def _fused_adam(
    parameters: list[Tensor], weight_decay: float, betas: tuple[float, float], *, decoupled: bool
) -> Optimiser:
    first = [torch.zeros_like(p, memory_format=torch.contiguous_format) for p in parameters]
    second = [torch.zeros_like(f) for f in first]
    steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in parameters]
    kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
    if not all(p.is_contiguous() for p in parameters):
        raise InputError("parameters that are not contiguous", fix="hand in .contiguous() ones")

    @torch.no_grad()
    def step(gradients: Sequence[Tensor], learning_rate: float | Tensor) -> None:
        _check_gradients(gradients, parameters)
        torch._foreach_add_(steps, 1)
        kernel(
            parameters,
            # The kernel walks over memory, whatever the strides.
            [g.contiguous() for g in gradients],
            first,
            second,
            [],
            steps,
            lr=learning_rate,
            beta1=betas[0],
            beta2=betas[1],
            weight_decay=weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            grad_scale=None,
            found_inf=None,
        )

    tensors = {f"{i}.exp_avg": t for i, t in enumerate(first)}
    tensors |= {f"{i}.exp_avg_sq": t for i, t in enumerate(second)}
    tensors |= {f"{i}.step": t for i, t in enumerate(steps)}

    def state() -> dict[str, Tensor]:
        return {key: tensor.clone() for key, tensor in tensors.items()}

    def restore(saved: dict[str, Tensor]) -> None:
        _check_saved(saved, tensors)
        for key, tensor in tensors.items():
            tensor.copy_(saved[key])

    return Optimiser(step, state, restore, tensors)


def _nadam(parameters: list[Tensor], betas: tuple[float, float]) -> Optimiser:
    from torch.optim import NAdam

    optimiser = NAdam(parameters, betas=betas)

    @torch.no_grad()
    def step(gradients: Sequence[Tensor], learning_rate: float | Tensor) -> None:
        _check_gradients(gradients, parameters)
        _library_step(optimiser, parameters, gradients, float(learning_rate))

    return Optimiser(step, *_library_state(optimiser, parameters))


def _lamb(parameters: list[Tensor], weight_decay: float, betas: tuple[float, float]) -> Optimiser:
    from pytorch_optimizer import Lamb

    matrices = [i for i, p in enumerate(parameters) if p.ndim > 2]
    vectors = [i for i, p in enumerate(parameters) if p.ndim <= 2]
    # A view an instance, of the stacked memory: each gets a trust ratio of its own.
    layers = [layer for i in matrices for layer in parameters[i]]
    # adam_debias: the trust ratio undoes the first moment's correction anyway; the library
    # would put it into the step's size, ten times too long at the start.
    lamb = layers and Lamb(
        layers, betas=betas, weight_decay=weight_decay, weight_decouple=False, adam_debias=True
    )
    adam = _fused_adam([parameters[i] for i in vectors], 0.0, betas, decoupled=False)
    get, put = _library_state(lamb, layers) if layers else (dict, lambda saved: None)

    @torch.no_grad()
    def step(gradients: Sequence[Tensor], learning_rate: float | Tensor) -> None:
        _check_gradients(gradients, parameters)
        if layers:
            pieces = [gradient for i in matrices for gradient in gradients[i]]
            _library_step(lamb, layers, pieces, float(learning_rate))
        if vectors:
            adam.step([gradients[i] for i in vectors], learning_rate)

    def state() -> dict[str, Tensor]:
        parts = {"layers": get(), "vectors": adam.state()}
        return {f"{part}.{key}": t for part, tensors in parts.items() for key, t in tensors.items()}

    def restore(saved: dict[str, Tensor]) -> None:
        parts = {"layers": {}, "vectors": {}}
        for key, tensor in saved.items():
            part, _, rest = key.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        if len(parts) > 2:
            _refuse(f"unknown tensors {sorted(set(parts) - {'layers', 'vectors'})}")
        put(parts["layers"])
        adam.restore(parts["vectors"])

    return Optimiser(step, state, restore)


def _library_step(
    optimiser: Any, parameters: list[Tensor], gradients: Sequence[Tensor], rate: float
) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.detach()
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _library_state(optimiser: Any, parameters: list[Tensor]) -> tuple[Callable, Callable]:
    """Return ``state`` and ``restore`` of an optimiser of ``torch.optim``'s kind."""

    def state() -> dict[str, Tensor]:
        if not optimiser.state:
            return {}
        content = optimiser.state_dict()
        tensors = {
            f"{i}.{key}": torch.as_tensor(value).clone()
            for i, entry in content["state"].items()
            for key, value in entry.items()
        }
        # pytorch_optimizer counts steps in the group, torch.optim with each parameter.
        if (step := content["param_groups"][0].get("step")) is not None:
            tensors["step"] = torch.tensor(step)
        return tensors

    def restore(saved: dict[str, Tensor]) -> None:
        if not saved:
            optimiser.state.clear()
            optimiser.param_groups[0].pop("step", None)
            return
        _check_saved(saved, _expected(optimiser, parameters))
        content = optimiser.state_dict()
        content["state"] = {i: {} for i in range(len(parameters))}
        for key, tensor in saved.items():
            number, _, name = key.partition(".")
            if name:
                content["state"][int(number)][name] = tensor.clone()
        if "step" in saved:
            content["param_groups"][0]["step"] = int(saved["step"])
        optimiser.load_state_dict(content)

    return state, restore


def _expected(optimiser: Any, parameters: list[Tensor]) -> dict[str, Tensor]:
    """Return the state after a step of the same optimiser on parameters like these."""
    like = [torch.zeros_like(p) for p in parameters]
    twin = type(optimiser)(like, betas=optimiser.defaults["betas"])
    _library_step(twin, like, like, 1.0)
    return _library_state(twin, like)[0]()


def _check_gradients(gradients: Sequence[Tensor], parameters: list[Tensor]) -> None:
    if [g.shape for g in gradients] != [p.shape for p in parameters]:
        found = [tuple(g.shape) for g in gradients]
        wanted = [tuple(p.shape) for p in parameters]
        raise InputError(
            f"gradients of shapes {found}", allowed=f"those of the parameters {wanted}"
        )


def _check_saved(saved: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    if saved.keys() != expected.keys():
        _refuse(f"tensors {sorted(saved.keys() ^ expected.keys())} are missing or unknown")
    for key, tensor in expected.items():
        if saved[key].shape != tensor.shape or saved[key].dtype != tensor.dtype:
            found, wanted = (f"{t.dtype} {tuple(t.shape)}" for t in (saved[key], tensor))
            _refuse(f"{key} is {found}, not {wanted}")


def _refuse(problem: str) -> None:
    raise ContractError(
        f"saved state of another optimiser or model: {problem}", fix="train from the start"
    )
