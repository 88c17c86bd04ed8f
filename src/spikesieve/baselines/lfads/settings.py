"""What there is to choose about LFADS."""

from typing import NamedTuple

from spikesieve.errors import InputError, suggest


class LfadsSettings(NamedTuple):
    """Sizes, regularisation and schedule; names as in the papers, where they have one."""

    n_factors: int = 32
    #: Units of the encoder (each direction), of the generator, and latents of its initial state.
    encoder_size: int = 64
    generator_size: int = 64
    initial_size: int = 32
    #: Inferred inputs; 0 leaves the controller out, and the generator runs on its own.
    n_inputs: int = 0
    controller_size: int = 32
    #: Bins of a window, and how many of them the next window has too.
    window_bins: int = 40
    overlap_bins: int = 10
    #: Share of the entries of a window that are hidden from the encoder and judged (coordinated
    #: dropout: Keshtkaran and Pandarinath 2019, arXiv:1908.07896), and of units hidden whole.
    hidden_entries: float = 0.2
    hidden_units: float = 0.2
    dropout: float = 0.05
    #: Weights of the divergences from the priors and of squared recurrent weights, after warm-up.
    #: 1 is the bound of the papers; where a window holds few spikes it leaves the initial state at
    #: its prior, and nothing is told apart (25 ms bins of 19 sparse units: as bad as the mean).
    kl_weight: float = 0.1
    l2_weight: float = 1.0
    warmup_share: float = 0.3
    n_steps: int = 1000
    batch_size: int = 64
    learning_rate: float = 0.01
    gradient_norm: float = 10.0
    validate_every: int = 50


_SHARES = ("hidden_entries", "hidden_units", "dropout", "warmup_share")
_FROM_ZERO = ("n_inputs", "overlap_bins", "kl_weight", "l2_weight")


def lfads_settings(**chosen) -> LfadsSettings:
    """Return settings with these changed.

    Raises
    ------
    InputError
        A name is unknown, or a value out of range.
    """
    known = list(LfadsSettings._fields)
    for name in chosen:
        if name not in known:
            raise InputError(f"setting {name!r} of LFADS{suggest(name, known)}")
    s = LfadsSettings(**chosen)
    for name, value in s._asdict().items():
        least = 0 if name in _SHARES + _FROM_ZERO else None
        if value < 0 or (least is None and value == 0):
            allowed = "0 or more" if least == 0 else "above 0"
            raise InputError(f"LFADS: {name} {value}", allowed=allowed)
        if name in _SHARES and value >= 1:
            raise InputError(f"LFADS: {name} {value}", allowed="at least 0 and below 1")
    if s.overlap_bins >= s.window_bins:
        raise InputError(
            f"LFADS: windows of {s.window_bins} bins that share {s.overlap_bins}",
            fix="make overlap_bins smaller than window_bins",
        )
    return s
