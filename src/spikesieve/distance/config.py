"""What the configuration says of spike-distance models, and whether they can be trained."""

from collections.abc import Iterator

from spikesieve.distance.methods import check_method
from spikesieve.distance.settings import Settings, make_settings
from spikesieve.errors import InputError, suggest

#: Keys of section ``distance`` that a model may change: the network's settings, and its units.
OF_MODEL = ("units", *(name for name in Settings._fields if name != "seed"))


#: What the names of networks of single units begin with.
ALONE = "alone_"


def models_of(section: dict) -> dict[str, dict]:
    """Return each model and what it changes: those by name, then one a unit of ``alone``."""
    own = {"unit": "none"} | section["alone_settings"]
    single = {f"{ALONE}{unit}": own | {"units": [unit]} for unit in section["alone"]}
    return section["models"] | single


def main_model(section: dict) -> str:
    """Return the model that later stages read: ``default``, or where there is none the first.

    A preset's models are merged with those of the configuration, in an order that nobody chose.
    """
    return "default" if "default" in section["models"] else next(iter(section["models"]))


def model_settings(section: dict, model: str) -> dict:
    """Return a model's settings and ``units``: those of the section, but for what it changes."""
    return {key: section[key] for key in OF_MODEL} | models_of(section)[model]


def members(section: dict, name: str) -> list[str]:
    """Return the recordings that ``name`` trains on: those of ``together``, or the one it is."""
    return section["together"].get(name, [name])


def trained_names(settings: dict, rows: dict[str, dict]) -> list[str]:
    """Return what networks are trained on: recordings alone, and names of recordings together.

    Where ``recordings`` is null these are the retinas, real and simulated. ``rows`` : the sheet.
    """
    section = settings["distance"]
    alone = section["recordings"]
    if alone is None:
        kinds = {name: one["kind"] for name, one in settings["simulations"].items()}
        alone = [
            recording
            for recording, row in rows.items()
            if row["source"] == "retina"
            or (row["source"] == "simulated" and kinds[row["path"]] == "retina")
        ]
    return [*alone, *section["together"]]


def distance_problems(settings: dict, of: dict[str, dict], rows: dict[str, dict]) -> list[str]:
    """Return what is wrong with section ``distance``.

    Parameters
    ----------
    settings : the whole configuration. ``of`` : each recording's own settings, overrides applied.
    rows : the sheet by recording. All are valid by the schemas.
    """
    section = settings["distance"]
    sources = {recording: row["source"] for recording, row in rows.items()}
    trained = trained_names(settings, rows)
    problems = [
        f"distance.together: {name!r} is a recording's id; take another name"
        for name in section["together"]
        if name in sources
    ]
    problems += [
        f"distance.models: {model!r} begins like the networks of single units; take another name"
        for model in section["models"]
        if model.startswith(ALONE)
    ]
    for recording in dict.fromkeys(r for name in trained for r in members(section, name)):
        if recording in section["together"]:
            continue
        if recording not in sources:
            hint = suggest(recording, list(sources))
            problems.append(f"distance: no recording {recording!r}{hint}")
        elif sources[recording] == "counts":
            problems.append(f"distance: recording {recording!r} has counts, but no spike times")
    for name in trained:
        own = of[name]["distance"] if name in of else section
        problems += [f"{p} ({name})" for p in _model_problems(own)]
    return list(dict.fromkeys(problems))


def _model_problems(section: dict) -> Iterator[str]:
    for model in models_of(section):
        values = model_settings(section, model)
        values.pop("units")
        try:
            s = make_settings(**values)
            for method in section["methods"]:
                check_method(method, s.heads, s.shape)
            if section["gap_s"] * 1000 / section["bin_ms"] < s.max_distance:
                raise InputError(
                    f"gap_s {section['gap_s']} is less than max_distance, {s.max_distance} bins: a "
                    "target could be the distance to a spike of the next block",
                    fix="take a longer distance.gap_s",
                )
            if section["step"] > s.future:
                raise InputError(
                    f"step {section['step']}", allowed=f"1 to the window's future, {s.future} bins"
                )
        except InputError as error:
            yield f"distance.models.{model}: {error}"
