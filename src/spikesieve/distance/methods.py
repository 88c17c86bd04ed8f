"""Names of the ways to infer spikes, and what each needs of a network."""

from spikesieve.distance.shape import Shape
from spikesieve.errors import InputError, suggest

#: Name -> heads it reads. ``poisson_N`` draws the spikes of N bins at once, N one of the spans.
#: ``em_counted`` is ``em`` on distances lowered until there are as many spikes as hazards say.
METHODS = {
    "em": ("distance",),
    "em_counted": ("distance", "hazard"),
    "exact": ("distance",),
    "gradient": ("distance",),
    "joint": ("distance", "hazard"),
    "cumulative": ("hazard",),
    "sampled": ("hazard",),
    "poisson": ("counts",),
    "none": (),
}


def check_method(name: str, heads: tuple[str, ...], shape: Shape) -> None:
    """Raise ``InputError`` where a method does not exist, or reads a head that isn't there."""
    kind = "poisson" if name.startswith("poisson_") else name
    if kind not in METHODS or name == "poisson":
        known = [m for m in METHODS if m != "poisson"] + [f"poisson_{n}" for n in shape.counts]
        raise InputError(f"method {name!r}{suggest(name, known)}", allowed=", ".join(known))
    if missing := [head for head in METHODS[kind] if head not in heads]:
        raise InputError(
            f"method {name!r} reads head {missing[0]!r}, which the network lacks",
            allowed=f"methods that read {', '.join(heads)} alone",
            fix=f"add {missing[0]} to distance.heads, or take {name} off distance.methods",
        )
    if kind == "poisson":
        span(name, shape)


def span(name: str, shape: Shape) -> int:
    """Return N of ``poisson_N``; raises ``InputError`` where no count over N bins is predicted."""
    text = name.partition("_")[2]
    if not text.isdecimal() or int(text) not in shape.counts:
        raise InputError(
            f"method {name!r}: no count over {text} bins is predicted",
            allowed=", ".join(f"poisson_{n}" for n in shape.counts),
        )
    return int(text)


def step_of(name: str, shape: Shape, step: int) -> int:
    """Return how many bins of a window a method uses: ``step``, but of ``poisson_N`` N."""
    return span(name, shape) if name.startswith("poisson_") else step
