"""The choices that make up a spike-distance network and its training, and which go together."""

from typing import NamedTuple

from spikesieve.distance.shape import Shape
from spikesieve.errors import InputError, suggest

#: How a network that serves many units is told which one is asked for.
UNIT_INPUTS = {
    "none": "one unit, or one model that does not tell units apart",
    "concatenated": "the embedding as one more input channel and as a bias",
    "hypernetwork": "the embedding makes the weights of one residual layer",
    "kernels": "the embedding attends to stores of kernels, one store a block",
    "token": "the embedding is a token of a transformer with a fully connected head",
}
#: What a network can predict, and the weight of each loss. The losses differ in size: at 5 Hz, that
#: of a bin's hazard is near 0.03 and that of a log distance near 1.
HEADS = {"distance": 1.0, "variance": 0.3, "hazard": 10.0, "counts": 0.3}
PRECISIONS = ("float32", "bfloat16")


class Settings(NamedTuple):
    """Everything that a training depends on, besides the recordings.

    Windows (bins): ``n_in`` before now are seen, ``prefix`` before now and ``future`` from now on
    are asked about; ``counts`` are the spans whose spike counts are predicted; distances end at
    ``max_distance``. Training windows start ``stride`` apart, at an offset drawn for each epoch.

    Network: ``unit`` is one of ``UNIT_INPUTS``, ``heads`` some of ``HEADS``, ``history`` whether
    the unit's own past spikes are seen (without, the embedding of a unit is about what drives it).
    ``widths`` and ``depths`` are channels and blocks of each stage, ``patch`` the bins that the
    first layer joins. ``embedding`` dimensions go through a variational bottleneck, whose
    divergence from a standard normal has weight ``divergence``. A transformer has ``layers`` of
    ``attention_heads``, and tokens of ``history_patch`` bins of the unit's own spikes.

    Training: AdamW, one cycle up to ``learning_rate``; ``epochs`` passes over the training windows,
    or ``n_steps`` where that isn't None, in batches of ``batch_windows`` windows, each for
    ``batch_units`` units (all, where there are fewer). The validation windows are scored
    ``validations`` times, and the best network of these is the result.
    """

    n_in: int = 992
    prefix: int = 32
    future: int = 96
    counts: tuple[int, ...] = (5, 10, 20, 40, 80, 160)
    max_distance: int = 198
    stride: int = 80
    unit: str = "token"
    history: bool = True
    heads: tuple[str, ...] = ("distance", "variance", "hazard", "counts")
    patch: int = 8
    widths: tuple[int, ...] = (48, 64, 64)
    depths: tuple[int, ...] = (2, 2, 2)
    embedding: int = 24
    divergence: float = 1e-3
    layers: int = 1
    attention_heads: int = 4
    history_patch: int = 62
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    epochs: float = 10.0
    n_steps: int | None = None
    batch_windows: int = 32
    batch_units: int = 16
    validations: int = 20
    precision: str = "float32"
    seed: int = 0

    @property
    def shape(self) -> Shape:
        """Lengths of a window."""
        return Shape(self.n_in, self.prefix, self.future, self.counts, self.max_distance)


def make_settings(**values) -> Settings:
    """Return checked settings; lists become tuples.

    Raises
    ------
    InputError
        An unknown name, a value out of range, or two that don't go together.
    """
    known = Settings._fields
    if unknown := sorted(set(values) - set(known)):
        raise InputError(
            f"unknown setting {unknown[0]!r}{suggest(unknown[0], list(known))}",
            allowed=", ".join(known),
        )
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    s = Settings(**plain)
    _choose("unit", s.unit, UNIT_INPUTS)
    _choose("precision", s.precision, PRECISIONS)
    for head in s.heads:
        _choose("heads", head, HEADS)
    if not {"distance", "hazard", "counts"} & set(s.heads):
        raise InputError(
            f"heads {list(s.heads)} predict no spikes", allowed="distance, hazard or counts"
        )
    if "variance" in s.heads and "distance" not in s.heads:
        raise InputError("the variance is that of the distance", fix="add distance to heads")
    for name in ("n_in", "future", "stride", "patch", "embedding", "history_patch"):
        _at_least(name, getattr(s, name), 1)
    for name in ("batch_windows", "batch_units", "validations", "layers", "attention_heads"):
        _at_least(name, getattr(s, name), 1)
    for name, low in (("prefix", 0), ("max_distance", 2), ("learning_rate", 0), ("divergence", 0)):
        _at_least(name, getattr(s, name), low)
    _at_least("weight_decay", s.weight_decay, 0)
    if s.n_steps is not None:
        _at_least("n_steps", s.n_steps, 1)
    if not s.epochs > 0:
        raise InputError(f"epochs {s.epochs}", allowed="above 0")
    if not s.widths or len(s.widths) != len(s.depths) or min(*s.widths, *s.depths) < 1:
        raise InputError(
            f"widths {list(s.widths)} and depths {list(s.depths)}",
            allowed="as many widths as depths, each at least 1",
        )
    if not s.counts or min(s.counts) < 1:
        raise InputError(f"counts {list(s.counts)}", allowed="spans of at least one bin")
    if s.prefix > s.n_in:
        raise InputError(f"prefix {s.prefix} is longer than what is seen, {s.n_in} bins")
    deepest = s.patch * 2 ** (len(s.widths) - 1)
    if s.n_in < deepest:
        raise InputError(
            f"n_in {s.n_in} is shorter than what the last of {len(s.widths)} stages joins, "
            f"{deepest} bins",
            fix="see more bins, or take fewer stages or a smaller patch",
        )
    if s.unit == "token":
        if s.n_in % s.history_patch:
            raise InputError(
                f"n_in {s.n_in} is no multiple of history_patch {s.history_patch}",
                fix="take a patch that divides it",
            )
        if s.widths[-1] % s.attention_heads:
            raise InputError(
                f"the last of widths {list(s.widths)} can't be shared by {s.attention_heads} "
                "attention heads",
                fix="take a multiple of attention_heads",
            )
    return s


def _choose(name: str, value: str, options) -> None:
    if value not in options:
        hint = suggest(str(value), list(options))
        raise InputError(f"{name} {value!r}{hint}", allowed=", ".join(options))


def _at_least(name: str, value: float, low: float) -> None:
    if not value >= low:
        raise InputError(f"{name} {value}", allowed=f"{low} or more")
