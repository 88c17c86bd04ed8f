"""What the configuration says of each model, and whether it can be trained."""

from collections.abc import Iterator
from itertools import product

from spikesieve.errors import InputError
from spikesieve.problems import problems_by_recording
from spikesieve.sae.settings import check_instances, make_settings, whole_levels

#: Keys of section ``sae`` that belong to all models, so that none may change them.
SHARED = ("n_seeds", "device", "nulls", "models")


def model_settings(settings: dict, model: str) -> dict:
    """Return a model's settings out of a recording's: those of ``sae``, but for what it changes."""
    section = settings["sae"]
    own = {key: value for key, value in section.items() if key not in SHARED}
    return own | {"device": section["device"]} | section["models"][model]


def model_problems(of: dict[str, dict]) -> list[str]:
    """Return what is wrong with the models of recordings, each problem once.

    Settings that are null take each value that the sweep could choose.

    Parameters
    ----------
    of : the settings of each recording, its overrides applied, valid by the schema.
    """
    return problems_by_recording(of, _problems)


def _problems(settings: dict) -> Iterator[str]:
    sweep, first = settings["sweep"], next(iter(settings["sae"]["models"]))
    fixed = {k: v for k, v in model_settings(settings, first).items() if v is not None}
    for model in settings["sae"]["models"]:
        where, chosen = f"sae.models.{model}", model_settings(settings, model)
        left_open = [name for name, v in chosen.items() if v is None and name != "patience"]
        said = _said_by_levels(chosen)
        if said:
            text = ", ".join(f"{name}: {value}" for name, value in said.items())
            yield (
                f"{where}: {' and '.join(said)} null beside levels, the last of which is the "
                f"whole dictionary; set {text}, or leave levels out"
            )
        yield from _tried(where, chosen | said, {n: sweep[n] for n in left_open if n not in said})
        for name in (n for n in left_open if n in fixed):
            yield (
                f"{where}: {name} is null, but the sweep is over what the first model, {first}, "
                f"leaves open, and there {name} is {fixed[name]}; set it here too, or make it "
                "null there"
            )
        yield from _without_validation(where, chosen, left_open, settings["counts"]["split"])


def _said_by_levels(chosen: dict) -> dict[str, int]:
    """Return the width and budget that are null although levels leave no choice: what is tried
    may be narrower than any value of the sweep, where training bins are few."""
    if not chosen["levels"]:
        return {}
    both = dict(zip(("n_latents", "k"), whole_levels(chosen["levels"]), strict=True))
    return {name: value for name, value in both.items() if chosen[name] is None}


def _without_validation(where: str, chosen: dict, left_open: list, split: list) -> Iterator[str]:
    """Yield what needs a validation block where ``counts.split`` has none."""
    if "validation" in [name for name, _ in split]:
        return
    fix = "counts.split has no validation block; add one, such as [validation, 1]"
    if left_open:
        names = ", ".join(left_open)
        yield f"{where}: {names} null (chosen on validation bins): {fix}, or set each"
    if chosen["patience"] is not None:
        yield f"{where}: patience {chosen['patience']}: {fix}, or set patience: null"


def _tried(where: str, settings: dict, values: dict[str, list]) -> Iterator[str]:
    """Yield what is wrong with ``settings`` at any combination of ``values``."""
    if missing := [name for name, options in values.items() if not options]:
        yield f"{where}: {missing[0]} is null, and sweep.{missing[0]} has no value to try"
        return
    combinations = [dict(zip(values, one, strict=True)) for one in product(*values.values())]
    # A sweep lowers budgets to the width, where it chooses both.
    both = {"k", "n_latents"} <= values.keys()
    possible = [c for c in combinations if not both or c["k"] <= c["n_latents"]]
    if not possible:
        yield f"{where}: each k of {values['k']} is more than each width of {values['n_latents']}"
    for combination in possible:
        tried = {k: v for k, v in (settings | combination).items() if v is not None}
        n_instances = tried.pop("n_instances")
        del tried["device"]
        try:
            check_instances(make_settings(**tried), n_instances)
        except InputError as error:
            yield f"{where}: {error}"
