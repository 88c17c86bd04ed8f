"""Names of the methods and of the settings that each takes: no numpy, no torch."""

#: Ending of a method that sees counts smoothed by a Gaussian over time.
SMOOTHED = "_smoothed"

_LINEAR = ("normalisation",)
_TRAINED = ("normalisation", "n_steps", "learning_rate")
_CEBRA = (*_TRAINED, "network", "hidden_size", "time_offset", "temperature", "batch_size")
_LFADS = (
    "encoder_size",
    "generator_size",
    "initial_size",
    "n_inputs",
    "controller_size",
    "window_bins",
    "overlap_bins",
    "hidden_entries",
    "hidden_units",
    "dropout",
    "kl_weight",
    "l2_weight",
    "warmup_share",
    "batch_size",
    "gradient_norm",
    "validate_every",
)

#: Method -> settings of its own, beside n_components and smoothing.
OWN_SETTINGS: dict[str, tuple[str, ...]] = {
    "mean": (),
    "raw": (),
    "pca": _LINEAR,
    "factor_analysis": (*_LINEAR, "max_iterations", "rotation"),
    "nmf": ("max_iterations", "sparsity"),
    "nmf_frobenius": ("max_iterations", "sparsity"),
    "ica": (*_LINEAR, "max_iterations"),
    "cebra_time": _CEBRA,
    "cebra_behaviour": (*_CEBRA, "variables"),
    "slicetca": (*_TRAINED, "ranks", "trials"),
    "lfads": (*_TRAINED, *_LFADS),
}
#: Methods that need torch, and minutes where the others need seconds.
DEEP = ("cebra_time", "cebra_behaviour", "slicetca", "lfads")
#: Settings whose value is a list by itself; of others a list holds values to try.
LISTS = ("variables", "ranks")
#: Methods without anything to smooth, or without a number of components.
PLAIN, UNSIZED = ("mean",), ("mean", "raw")

ALL_NAMES = (*OWN_SETTINGS, *(f"{n}{SMOOTHED}" for n in OWN_SETTINGS if n not in PLAIN))


def base_name(method: str) -> str:
    """Return the method whose smoothed form ``method`` may be."""
    return method.removesuffix(SMOOTHED)
