"""``infer_spikes``: one call for all methods, with errors that say what is missing."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from spikesieve.distance.inference.cumulative import cumulative
from spikesieve.distance.inference.em import em
from spikesieve.distance.inference.exact import exact, joint
from spikesieve.distance.inference.gradient import gradient
from spikesieve.distance.inference.none import none
from spikesieve.distance.inference.sampled import sampled
from spikesieve.distance.inference.windows import check_windows
from spikesieve.errors import InputError, suggest


class Method(NamedTuple):
    """How a method is called, and which predictions it can't do without."""

    infer: Callable[..., np.ndarray]
    needs: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """Names of the options that are the method's own."""
        return list(inspect.signature(self.infer).parameters)[1:]


METHODS = {
    "em": Method(em, ("distance",)),
    "exact": Method(exact, ("distance",)),
    "joint": Method(joint, ("distance", "hazard")),
    "gradient": Method(gradient, ("distance",)),
    "cumulative": Method(cumulative, ("hazard",)),
    "sampled": Method(sampled),
    "none": Method(none),
}

_SHAPES = {"distance": "(windows, bins)", "hazard": "(windows, bins - prefix)"}


def infer_spikes(
    distance: Any,
    *,
    method: str = "em",
    last_spike: Any = None,
    prefix: int = 0,
    max_distance: float = 198,
    refractory: int = 0,
    space: str = "linear",
    hazard: Any = None,
    n_threads: int | None = None,
    **options: Any,
) -> Bool[np.ndarray, "window inferred"]:
    """Return in which bins each window has a spike.

    Parameters
    ----------
    distance : predicted distance of each bin to the nearest spike, ``(windows, bins)``, in bins
        and linear whatever the ``space``. None will do for methods that don't use it.
    method : ``em`` (the paper's), ``exact`` (the least energy), ``joint`` (distance and hazard
        together), ``gradient``, ``cumulative`` (of the hazard), ``sampled`` or ``none``.
    last_spike : the last known spike relative to "now", ``(windows,)`` or one for all: -1 for the
        bin just before, 0 where none is known.
    prefix : bins of each window that lie before "now"; they hold no spikes to infer.
    max_distance : the clamp that the predictions were trained with, in bins.
    refractory : no spike within so many bins of the one before.
    space : compare distances as they are (``linear``) or their logarithms (``log``). ``joint`` is
        always in log space.
    hazard : predicted chance of a spike in each bin from "now" on, ``(windows, bins - prefix)``.
        Methods that don't use it don't mind it; ``exact`` uses it if ``hazard_weight`` isn't 0.
    n_threads : most threads to use; results don't depend on it. Default: all processors.
    options : the method's own, see there: ``em(jitter_seed)``, ``exact(loss, penalty, weights,
        variance, hazard_weight, capped)``, ``joint(lowered, penalty, weights, variance,
        weigh_by_variance, hazard_weight)``, ``gradient(initial, n_steps)``,
        ``cumulative(carried)``, ``sampled(expected_count, count_bins, seed)``.

    Returns
    -------
    A spike or not, ``(windows, bins - prefix)``.

    Raises
    ------
    InputError
        An unknown method or option; a prediction that the method needs is missing, holds NaN, is
        out of range or of another shape; a prefix that leaves no bin; a last spike after "now";
        a negative refractory time.
    """
    if method not in METHODS:
        problem = f"inference method {method!r}{suggest(str(method), list(METHODS))}"
        raise InputError(problem, allowed=", ".join(METHODS))
    chosen = METHODS[method]
    for name in options:
        if name not in chosen.options:
            problem = f"method {method!r} has no option {name!r}{suggest(name, chosen.options)}"
            raise InputError(problem, allowed=", ".join(chosen.options) or "none")
    for name in chosen.needs:
        if {"distance": distance, "hazard": hazard}[name] is None:
            problem = f"method {method!r} needs a {name}, and there is none"
            raise InputError(problem, fix=f"hand in {name}, {_SHAPES[name]}")
    windows = check_windows(
        distance,
        hazard,
        last_spike,
        prefix=prefix,
        max_distance=max_distance,
        refractory=refractory,
        space=space,
        n_threads=n_threads,
    )
    return chosen.infer(windows, **options)
