"""Names of losses, penalties, optimisers and settings to choose, and which go together: no torch,
whose import costs each start of the workflow seconds."""

from spikesieve.errors import InputError, suggest

LOSSES = ("mse", "msle", "asymmetric", "msle_asymmetric", "poisson_kl", "poisson_nll")
OUTPUT_ACTIVATIONS = ("none", "relu", "softplus")
PENALTIES = ("l1", "l1_decoder_norm", "tanh")
OPTIMISERS = ("adam", "adamw", "nadam", "lamb")
TAKES_WEIGHT_DECAY = frozenset({"adamw", "lamb"})
#: Settings that a sweep may choose, in the order in which it does.
TRIED = ("smoothing", "k", "masked_share", "learning_rate", "tau", "n_latents")


def check_pairing(loss: str, output_activation: str, normalisation: str = "none") -> None:
    """Raise ``InputError`` for names that are unknown, or that can't go together.

    ``normalisation`` is a name of ``spikesieve.counts.fit_normalisation``: that of the target.
    """
    _check_name("loss", loss, LOSSES)
    _check_name("output_activation", output_activation, OUTPUT_ACTIVATIONS)
    centred, scaled = normalisation == "sqrt_centred", normalisation.startswith("max")
    problem = f"loss {loss!r} with output_activation {output_activation!r}"
    if loss == "poisson_nll" and output_activation != "softplus":
        raise InputError(
            f"{problem}: a rate must be above 0", fix="set output_activation: softplus"
        )
    if loss in ("msle", "msle_asymmetric", "poisson_kl") and output_activation == "none":
        raise InputError(
            f"{problem}: no logarithm of what may be negative",
            fix="set output_activation: relu or softplus",
        )
    if centred and output_activation != "none":
        raise InputError(
            f"{problem} and normalisation {normalisation!r}: centred targets are negative in part, "
            "and such an output never is",
            fix="set normalisation: none, max_recording or max_unit, or output_activation: none "
            "with loss: mse or asymmetric",
        )
    if loss == "poisson_nll" and scaled:
        raise InputError(
            f"{problem} and normalisation {normalisation!r}: the likelihood is that of raw counts",
            fix="set normalisation: none, or loss: poisson_kl",
        )


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        hint = suggest(str(name), list(known))
        raise InputError(f"{what} {name!r}{hint}", allowed=", ".join(known))
