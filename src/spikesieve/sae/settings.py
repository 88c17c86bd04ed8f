"""The choices that make up a sparse autoencoder and its training, and which go together."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from spikesieve.counts import NORMALISATIONS
from spikesieve.errors import InputError, suggest
from spikesieve.sae.names import (
    LOSSES,
    OPTIMISERS,
    OUTPUT_ACTIVATIONS,
    PENALTIES,
    TAKES_WEIGHT_DECAY,
    check_pairing,
)
from spikesieve.sae.schedules import SCHEDULES

#: Name of an architecture -> whether it selects codes by a budget ``k``, and over what.
ARCHITECTURES = {
    "vanilla": None,  # ReLU; sparse by a penalty
    "gated": None,  # Rajamanoharan et al. 2024a, arXiv:2404.16014
    "jumprelu": None,  # Rajamanoharan et al. 2024b, arXiv:2407.14435
    "topk": "row",  # Gao et al. 2024, arXiv:2406.04093
    "batch_topk": "batch",  # Bussmann et al. 2024, arXiv:2412.06410
    "matryoshka_topk": "row",  # Bussmann et al. 2025, arXiv:2503.17547
    "matryoshka_batch_topk": "batch",
}
#: Penalty and weight that ``auto`` stands for where no budget makes codes sparse. In planted data
#: of 30 and of 150 units they leave a quarter of 128 latents active at most.
OWN_PENALTIES = {"vanilla": ("l1", 0.02), "gated": ("l1", 0.05), "jumprelu": ("l0", 1.0)}
WINDOWS = ("filter", "full")
READOUTS = ("encoder", "poisson")
PRE_BIASES = ("mean", "geometric_median", "none")
PRECISIONS = ("float32", "bfloat16")


class Level(NamedTuple):
    """A nested dictionary: the first ``width`` latents, of which ``k`` a bin are active."""

    width: int
    k: int
    weight: float = 1.0


class Settings(NamedTuple):
    """Everything that a training depends on, besides the data.

    Sizes: ``n_latents`` is the width of the dictionary, ``k`` the mean number of latents active
    in a bin (what JumpReLU's penalty ``l0`` aims at; vanilla and gated encoders only have their
    ``penalty``, and ``k`` is a Poisson readout's), ``levels`` the nested dictionaries of a
    Matryoshka, narrow to wide, the last of which is the whole.

    Reading: ``smoothing`` averages the counts over time first (a Gaussian, standard deviation in
    bins; 0 for none). ``readout="encoder"`` takes latents as the encoder gives them, ``"poisson"``
    shares each spike out between the dictionary's patterns (``spikesieve.sae.readout``): slower,
    and truer where patterns overlap. With ``min_stability``, a Poisson readout leaves out latents
    that the other instances did not find again (|r| below it; there must be two instances).

    Input: ``seq_len`` bins go in, of which the last (``causal``, without ``smoothing``: nothing
    later is looked at) or the middle one is "now". ``window="filter"`` weights them by one learnt
    kernel before the encoder, ``"full"`` gives each its own encoder weights. ``reconstruct`` lists
    the bins to reconstruct, 0 for now (a model without it can't predict hidden units, nor be judged
    by the workflow). A random ``masked_share`` of the units is hidden from each training bin, and
    has to be predicted; with ``judge_hidden`` only they count. ``pre_bias`` is subtracted from the
    input.

    Objective: ``loss`` (``tau``, ``epsilon``, ``under_weight`` belong to some of them) of what
    ``output_activation`` makes of the decoder's output; ``decoder_layers`` are widths of hidden
    layers in it. ``penalty`` (with ``tanh_a``, ``tanh_b``) times ``penalty_weight``, reached after
    the share ``penalty_warmup`` of the steps; ``auto`` is what ``OWN_PENALTIES`` has, or none where
    there is a budget (a ``penalty_weight`` above 0 is kept). Latents that did not fire for
    ``dead_after`` steps are helped by an auxiliary loss of weight ``aux_weight``.

    Training: ``optimiser``, ``schedule`` and peak ``learning_rate``, ``weight_decay`` (AdamW and
    LAMB), ``n_steps`` of ``batch_size`` bins; with ``patience``, training stops after so many
    looks at the validation block, one every ``validate_every`` steps, without a better one (there
    must be such a block).
    """

    architecture: str = "matryoshka_batch_topk"
    n_latents: int = 128
    k: int = 8
    levels: tuple[Level, ...] = ()
    seed: int = 0
    smoothing: float = 0.0
    readout: str = "encoder"
    min_stability: float = 0.0
    normalisation: str = "sqrt_centred"
    seq_len: int = 1
    window: str = "filter"
    causal: bool = False
    reconstruct: tuple[int, ...] = (0,)
    masked_share: float = 0.0
    judge_hidden: bool = False
    pre_bias: str = "mean"
    loss: str = "mse"
    tau: float = 1.0
    epsilon: float = 1e-3
    under_weight: float = 2.0
    output_activation: str = "none"
    decoder_layers: tuple[int, ...] = ()
    penalty: str = "auto"
    penalty_weight: float = 0.0
    penalty_warmup: float = 0.1
    tanh_a: float = 1.0
    tanh_b: float = 1.0
    aux_weight: float = 1 / 32
    dead_after: int = 100
    optimiser: str = "adam"
    learning_rate: float = 5e-3
    schedule: str = "cosine_cycles"
    weight_decay: float = 0.0
    n_steps: int = 3000
    batch_size: int = 256
    patience: int | None = None
    validate_every: int = 100
    precision: str = "float32"

    @property
    def offsets(self) -> tuple[int, ...]:
        """The bins of a window relative to now."""
        past = self.seq_len - 1 if self.causal else self.seq_len // 2
        return tuple(range(-past, self.seq_len - past))

    @property
    def budget_over(self) -> str | None:
        """``"row"`` or ``"batch"``: what a budget ``k`` is counted over; None without one."""
        return ARCHITECTURES[self.architecture]


def make_settings(**chosen) -> Settings:
    """Return checked settings from names and values as JSON or Python have them.

    Raises
    ------
    InputError
        A name is unknown, a value out of range, or two choices exclude each other.
    """
    for name in chosen:
        if name not in Settings._fields:
            hint = suggest(name, list(Settings._fields))
            raise InputError(f"unknown setting {name!r} of the sparse autoencoder{hint}")
    s = Settings(**native(chosen))
    _check_names(s)
    _check_ranges(s)
    s = _with_own_penalty(s)
    s = s._replace(
        levels=_levels(s),
        reconstruct=tuple(s.reconstruct),
        decoder_layers=tuple(s.decoder_layers),
    )
    _check_together(s)
    return s


def native(value):
    """Return numbers and arrays of numpy, also those inside of others, as Python has them."""
    if isinstance(value, Mapping):
        return {native(key): native(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [native(inside) for inside in value]
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def stand_ins(chosen: Mapping) -> dict:
    """Return a width and a budget for those that are still open, possible beside what is not."""
    width, k = chosen.get("n_latents"), chosen.get("k")
    first = Settings()
    return {
        "n_latents": max(first.n_latents, k) if isinstance(k, int) else first.n_latents,
        "k": min(first.k, width) if isinstance(width, int) else first.k,
    }


def check_instances(s: Settings, n_instances: int) -> None:
    """Raise ``InputError`` unless so many instances can be trained of ``s``."""
    _whole("n_instances", n_instances, least=1)
    if s.min_stability and n_instances < 2:
        problem = f"min_stability {s.min_stability} with one instance"
        raise InputError(problem, fix="set n_instances: 2, or min_stability: 0")


def plain(settings: Settings) -> dict:
    """Return the settings as JSON holds them."""
    matryoshka = settings.architecture.startswith("matryoshka")
    levels = [level._asdict() for level in settings.levels if matryoshka]
    lists = {"reconstruct": list(settings.reconstruct)}
    layers = {"decoder_layers": list(settings.decoder_layers)}
    return settings._asdict() | {"levels": levels} | lists | layers


def _with_own_penalty(s: Settings) -> Settings:
    if s.penalty != "auto":
        return s
    penalty, weight = OWN_PENALTIES.get(s.architecture, ("none", 0.0))
    return s._replace(penalty=penalty, penalty_weight=s.penalty_weight or weight)


def _levels(s: Settings) -> tuple[Level, ...]:
    """Return the nested dictionaries, the last of which is the whole one.

    Without any given, a Matryoshka gets a quarter, half and all of its width, each with all of
    the budget: a coarse level must explain a bin as well as few patterns can.
    """
    matryoshka = s.architecture.startswith("matryoshka")
    given = s.levels.items() if isinstance(s.levels, Mapping) else s.levels
    try:
        levels = [Level(**v) if isinstance(v, Mapping) else Level(*map(_number, v)) for v in given]
    except TypeError as error:
        raise _unreadable_levels(s.levels) from error
    if levels and not matryoshka:
        hint = suggest(f"matryoshka_{s.architecture}", list(ARCHITECTURES))
        raise InputError(f"levels with architecture {s.architecture!r}{hint}", fix="leave them out")
    if levels and (levels[-1].width, levels[-1].k) != (s.n_latents, s.k):
        problem = f"last level {tuple(levels[-1][:2])}, n_latents {s.n_latents} and k {s.k}"
        raise InputError(problem, allowed="the last level is the whole dictionary")
    if not levels and not matryoshka:
        levels = [Level(s.n_latents, s.k)]
    elif not levels:
        widths = [w for w in (s.n_latents // 4, s.n_latents // 2) if w >= 2 * s.k]
        levels = [Level(w, s.k) for w in (*dict.fromkeys(widths), s.n_latents)]
    _check_levels(levels, s)
    return tuple(levels)


def _check_levels(levels: list[Level], s: Settings) -> None:
    for level in levels:
        _whole("width of a level", level.width, least=1)
        _whole("k of a level", level.k, least=1 if s.budget_over else 0)
        _number_within("weight of a level", level.weight, 0, math.inf)
        if level.k > level.width and (s.budget_over or s.penalty == "l0"):
            raise InputError(
                f"k {level.k} is more than the {level.width} latents it selects from",
                allowed=f"1 to {level.width}",
                fix="lower k or widen n_latents",
            )
    for narrow, wide in itertools.pairwise(levels):
        if narrow.width >= wide.width:
            problem = f"levels of widths {[v.width for v in levels]}"
            raise InputError(problem, allowed="each wider than the one before")
    if not sum(level.weight for level in levels):
        raise InputError("levels of weight 0 alone", allowed="one above 0 at least")


def _unreadable_levels(levels) -> InputError:
    allowed = "{width: k, ...}, or a list of (width, k) or (width, k, weight)"
    return InputError(f"levels {levels!r}", allowed=allowed)


def _number(text):
    """Return a JSON key (a level's width) as the number it is."""
    return int(text) if isinstance(text, str) and text.isdigit() else text


def _check_names(s: Settings) -> None:
    allowed = {
        "architecture": ARCHITECTURES,
        "normalisation": NORMALISATIONS,
        "window": WINDOWS,
        "readout": READOUTS,
        "pre_bias": PRE_BIASES,
        "precision": PRECISIONS,
        "loss": LOSSES,
        "output_activation": OUTPUT_ACTIVATIONS,
        "penalty": ("auto", "none", *PENALTIES, "l0"),
        "optimiser": OPTIMISERS,
        "schedule": SCHEDULES,
    }
    for name, known in allowed.items():
        value = getattr(s, name)
        if not isinstance(value, str) or value not in known:
            hint = suggest(str(value), list(known))
            raise InputError(f"{name} {value!r}{hint}", allowed=", ".join(known))


def _check_ranges(s: Settings) -> None:
    for name in ("n_latents", "n_steps", "batch_size", "dead_after", "validate_every"):
        _whole(name, getattr(s, name), least=0 if name == "n_steps" else 1)
    _whole("seq_len", s.seq_len, least=1, most=1000)
    _whole("seed", s.seed, least=0, most=2**63 - 1)
    _whole("k", s.k, least=1 if s.budget_over else 0)
    if s.patience is not None:
        _whole("patience", s.patience, least=1)
    for name in ("aux_weight", "penalty_weight", "weight_decay"):
        _number_within(name, getattr(s, name), 0, math.inf)
    for name in ("masked_share", "penalty_warmup", "min_stability"):
        _number_within(name, getattr(s, name), 0, 1)
    _number_within("smoothing", s.smoothing, 0, 100)
    for name in ("judge_hidden", "causal"):
        if not isinstance(getattr(s, name), bool):
            raise InputError(f"{name} {getattr(s, name)!r}", allowed="True or False")
    for name in ("learning_rate", "tau", "epsilon", "under_weight", "tanh_a", "tanh_b"):
        _number_within(name, getattr(s, name), 0, math.inf)
        if getattr(s, name) == 0:
            raise InputError(f"{name} 0", allowed="above 0")
    if s.masked_share > 0.9:
        raise InputError(f"masked_share {s.masked_share}", allowed="0 to 0.9")
    for name in ("reconstruct", "decoder_layers"):
        if not isinstance(getattr(s, name), (list, tuple)):
            raise InputError(f"{name} {getattr(s, name)!r}", allowed="a list of whole numbers")
    for offset in s.reconstruct:
        _whole("bin in reconstruct", offset, least=-1000)
    for width in s.decoder_layers:
        _whole("width in decoder_layers", width, least=1)


def _check_together(s: Settings) -> None:
    # The Poisson losses see the counts themselves as their target, whatever goes in.
    poisson = s.loss.startswith("poisson")
    check_pairing(s.loss, s.output_activation, "none" if poisson else s.normalisation)
    bad = [offset for offset in s.reconstruct if offset not in s.offsets]
    if bad or not s.reconstruct or len(set(s.reconstruct)) < len(s.reconstruct):
        raise InputError(
            f"reconstruct {list(s.reconstruct)}",
            allowed=f"different ones of {list(s.offsets)}, the bins of the window",
        )
    if s.causal and s.smoothing:
        # A Gaussian is centred on now, and so is what a Poisson readout asks of the bins around.
        raise InputError(
            f"causal with smoothing {s.smoothing}, which averages over later bins too",
            fix="set smoothing: 0 (null would try what sweep.smoothing has), or causal: false",
        )
    if s.readout == "poisson" and not s.k:
        raise InputError("readout 'poisson' with k 0", fix="say how many latents a bin may use")
    if s.min_stability and s.readout != "poisson":
        raise InputError("min_stability without a Poisson readout", fix="set readout: poisson")
    if s.judge_hidden and not s.masked_share:
        raise InputError("judge_hidden with masked_share 0", fix="hide a share of the units")
    if s.weight_decay and s.optimiser not in TAKES_WEIGHT_DECAY:
        raise InputError(
            f"weight_decay {s.weight_decay} with optimiser {s.optimiser!r}, which has none",
            allowed=f"optimiser {' or '.join(sorted(TAKES_WEIGHT_DECAY))}",
        )
    if s.penalty == "none" and s.penalty_weight > 0:
        raise InputError(f"penalty_weight {s.penalty_weight} without a penalty")
    if s.penalty != "none" and s.penalty_weight == 0:
        fix = "set penalty_weight, or penalty: auto, or none for codes that are not sparse"
        raise InputError(f"penalty {s.penalty!r} with penalty_weight 0", fix=fix)
    if s.penalty == "l0" and s.architecture != "jumprelu":
        raise InputError(f"penalty 'l0' with architecture {s.architecture!r}", allowed="jumprelu")


def _whole(name: str, value, *, least: int, most: float = math.inf) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not (is_whole and least <= value <= most):
        end = f" to {most}" if most < math.inf else ""
        raise InputError(f"{name} {value!r}", allowed=f"whole numbers from {least}{end}")


def _number_within(name: str, value, low: float, high: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and low <= value <= high and value < math.inf):
        raise InputError(f"{name} {value!r}", allowed=f"{low} to {high}")


def whole_levels(levels: Sequence | Mapping) -> tuple[int, int]:
    """Return width and budget of the last of ``levels``: those of the whole dictionary."""
    try:
        last = list(levels.items() if isinstance(levels, Mapping) else levels)[-1]
        width, k = (last["width"], last["k"]) if isinstance(last, Mapping) else last[:2]
    except (TypeError, ValueError, KeyError) as error:
        raise _unreadable_levels(levels) from error
    return _number(width), _number(k)
