"""What the configuration says of the methods to compare with, and what is wrong with it."""

from collections.abc import Iterator

from spikesieve.errors import suggest
from spikesieve.method_names import (
    ALL_NAMES,
    LISTS,
    OWN_SETTINGS,
    PLAIN,
    SMOOTHED,
    UNSIZED,
    base_name,
)
from spikesieve.problems import problems_by_recording


def settings_of_method(settings: dict, method: str) -> dict:
    """Return what a method takes of a recording's settings; a list holds values to try.

    ``settings.pca`` holds for ``pca_smoothed`` too, unless ``settings.pca_smoothed`` differs.
    """
    section, base = settings["baselines"], base_name(method)
    taken = {} if base in UNSIZED else {"n_components": section["n_components"]}
    if base not in PLAIN:
        taken["smoothing_bins"] = section["smoothing_bins"]
    if method.endswith(SMOOTHED):
        taken["smoothing"] = section["smoothing"]
    if base == "cebra_behaviour":
        taken["angles"] = settings["meaning"]["angles"]
    return taken | section["settings"].get(base, {}) | section["settings"].get(method, {})


def baseline_problems(of: dict[str, dict]) -> list[str]:
    """Return what is wrong with the methods of recordings, each problem once.

    ``of`` : the settings of each recording, its overrides applied, valid by the schema.
    """
    return problems_by_recording(of, _problems)


def _problems(settings: dict) -> Iterator[str]:
    for method, values in settings["baselines"]["settings"].items():
        if method not in ALL_NAMES:
            hint = suggest(str(method), list(ALL_NAMES))
            yield f"baselines.settings: no method {method!r}{hint}"
            continue
        known = OWN_SETTINGS[base_name(method)]
        for name in (n for n in values if n not in known):
            hint = suggest(str(name), list(known))
            allowed = f"; it has {', '.join(known)}" if known else "; it has none"
            yield f"baselines.settings.{method}: unknown setting {name!r}{hint}{allowed}"
    for model in settings["sae"]["models"]:
        if model in ALL_NAMES:
            yield f"sae.models.{model}: this is the name of a baseline; take another one"
    yield from _without_validation(settings)


def _without_validation(settings: dict) -> Iterator[str]:
    """Yield what is to be tuned where there are no validation bins."""
    if "validation" in [name for name, _ in settings["counts"]["split"]]:
        return
    for method in settings["baselines"]["methods"]:
        taken = settings_of_method(settings, method)
        tuned = [n for n, v in taken.items() if isinstance(v, list) and n not in LISTS]
        if tuned:
            yield (
                f"baselines: {', '.join(tuned)} of {method} are lists (chosen on validation bins): "
                "counts.split has no validation block; add one, such as [validation, 1], or set "
                "one value of each"
            )
