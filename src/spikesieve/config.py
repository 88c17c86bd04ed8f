"""Reading the configuration and the sheet of recordings: typed, defaulted, all errors at once."""

import copy
import math
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import yaml
from jsonschema import Draft202012Validator

from spikesieve.baseline_settings import baseline_problems
from spikesieve.distance.config import OF_MODEL, distance_problems
from spikesieve.errors import ConfigError, suggest
from spikesieve.model_settings import SHARED, model_problems
from spikesieve.widths import whole_multiple

#: What lies here is made by the workflow and need not exist yet; exports are named by recording.
PRODUCED, EXPORTS = "results/", "results/exports/"

#: Sections of which a recording may have values of its own, under ``overrides``.
OVERRIDABLE = ("units", "counts", "baselines", "sae", "sweep", "distance", "meaning")


class Config(NamedTuple):
    """The validated configuration: ``settings`` holds every key, defaults filled in;
    ``recordings`` maps each id to its row of the sheet (only the cells that hold a value).
    """

    settings: dict
    recordings: dict[str, dict]

    def of(self, recording: str) -> dict:
        """Return the settings of one recording, its overrides applied."""
        merged = copy.deepcopy(self.settings)
        row = self.recordings[recording]
        if row["source"] == "counts":  # counts come at a width of their own
            merged["counts"]["bin_ms"] = row["bin_ms"]
        for section, values in self.settings["overrides"].get(recording, {}).items():
            merged[section].update(values)
        return merged


def read_config(given: dict, schemas: str | PathLike) -> Config:
    """Check ``given`` (the parsed YAML) and the sheet it names; fill defaults.

    Parameters
    ----------
    schemas : folder of ``config.schema.yaml`` and ``recordings.schema.yaml``.

    Raises
    ------
    ConfigError
        Naming every mistake found, not only the first.
    """
    schema = yaml.safe_load((Path(schemas) / "config.schema.yaml").read_text())
    row_schema = yaml.safe_load((Path(schemas) / "recordings.schema.yaml").read_text())
    problems = [f"config: {p}" for p in _problems(given, schema)]
    # A section of the wrong type is reported above; the rest is checked as if it were left out.
    types = {key: type(part["default"]) for key, part in schema["properties"].items()}
    sections = {k: v for k, v in given.items() if types.get(k) is not dict or isinstance(v, dict)}
    settings = _with_defaults(sections, schema)
    rows, sheet_problems = _read_rows(settings["recordings"], row_schema)
    problems += sheet_problems
    sources = {str(r.get("recording")): r.get("source") for r in rows if isinstance(r, dict)}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            problems.append(f"recordings, row {number}: {row!r} is no row of column: value")
            continue
        name = f"recordings, row {number} ({row.get('recording', '?')})"
        found = [*_problems(row, row_schema)]
        problems += [f"{name}: {p}" for p in found or _cross_check(row, settings, sources)]
    ids = [row.get("recording") for row in rows if isinstance(row, dict)]
    problems += [
        f"recordings: id {i!r} stands twice"
        for i in sorted({str(i) for i in ids if ids.count(i) > 1})
    ]
    problems += _override_problems(settings, ids, schema)
    problems += _model_schema_problems(settings, schema)
    if problems:
        raise _config_error(problems)
    config = Config(settings, {row["recording"]: row for row in rows})
    problems = [p for i in config.recordings for p in _width_problems(config, i)]
    # Only now: what goes together can be said of values that are valid on their own.
    of = {i: config.of(i) for i in config.recordings}
    problems += baseline_problems(of)
    problems += model_problems(of)
    problems += distance_problems(settings, of, config.recordings)
    if problems:
        raise _config_error(problems)
    return config


def _config_error(problems: list[str]) -> ConfigError:
    return ConfigError(
        f"{len(problems)} problem(s) in the configuration:\n  - " + "\n  - ".join(problems),
        fix="config/README.md explains each key and column",
    )


def _read_rows(source, row_schema: dict) -> tuple[list, list[str]]:
    if isinstance(source, list):
        rows = source
    elif not isinstance(source, str):
        return [], []  # the schema has reported it
    else:
        try:
            text = Path(source).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            return [], [f"recordings: cannot read the sheet {source!r} ({error})"]
        rows, problems = _parse_sheet(text, row_schema)
        if problems:
            return [], problems
    if not rows:
        return [], [f"recordings: {source!r} has no row; add a line for each recording"]
    return rows, []


def _parse_sheet(text: str, row_schema: dict) -> tuple[list[dict], list[str]]:
    """Return the rows of a tab-separated sheet: cells that hold something, numbers as numbers.

    Read by hand: a table reader would take "NA" for nothing and shift rows that end in a tab.
    """
    types = {k: v.get("type") for k, v in row_schema["properties"].items()}
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    lines = [line for line in lines if not line.lstrip().startswith("#")]
    if not lines:
        return [], []
    header, *body = ([cell.strip() for cell in line.split("\t")] for line in lines)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    rows, problems = [], [f"recordings: column {name!r} stands twice" for name in twice]
    for number, cells in enumerate(body, start=1):
        if any(cells[len(header) :]):
            problems.append(
                f"recordings, row {number}: {len(cells)} cells under {len(header)} columns "
                "(columns are separated by one tab)"
            )
        pairs = [(k, v) for k, v in zip(header, cells, strict=False) if v]
        rows.append({k: _number(v) if types.get(k) == "number" else v for k, v in pairs})
    return rows, problems


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the schema says what is wrong with it


def _problems(value, schema: dict) -> Iterator[str]:
    yield from (f"{where}: not a finite number" for where in _not_finite(value))
    for error in sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: str(e.path)):
        where = ".".join(str(p) for p in error.absolute_path)
        described = error.schema.get("description") if isinstance(error.schema, dict) else None
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - set(known), key=str):
                name = ".".join(filter(None, [where, str(key)]))
                yield f"unknown key {name!r}{suggest(str(key), known)}"
        elif error.validator == "not":  # the schema's way to say "not with this source"
            yield f"column {where!r} does not apply to source {value['source']!r}"
        elif error.validator == "enum":
            known = [str(option) for option in error.validator_value]
            yield f"{where}: {error.message}{suggest(str(error.instance), known)}"
        else:
            reason = f" ({described})" if described and where else ""
            yield (f"{where}: " if where else "") + error.message + reason


def _not_finite(value, where: str = "") -> Iterator[str]:
    """Yield where NaN and infinities stand; YAML has them, and no bound of a schema stops NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        yield where
    inside = value.items() if isinstance(value, dict) else []
    inside = enumerate(value) if isinstance(value, list) else inside
    for key, part in inside:
        yield from _not_finite(part, f"{where}.{key}".lstrip("."))


def _with_defaults(value: dict, schema: dict) -> dict:
    filled = copy.deepcopy(value)
    for key, part in schema.get("properties", {}).items():
        if key not in filled and "default" in part:
            filled[key] = copy.deepcopy(part["default"])
        if isinstance(filled.get(key), dict) and "properties" in part:
            filled[key] = _with_defaults(filled[key], part)
    return filled


def _cross_check(row: dict, settings: dict, sources: dict[str, str]) -> Iterator[str]:
    """Yield what a schema cannot see: simulations that don't exist, paths that lead nowhere.

    ``sources`` maps the sheet's ids to their sources.
    """
    path = row["path"]
    if row["source"] == "simulated":
        if path not in settings["simulations"]:
            known = list(settings["simulations"])
            yield f"simulation {path!r} is not in simulations {known}{suggest(path, known)}"
            return
        match settings["simulations"][path]:  # the schema has reported values of another shape
            case {"units_per_feature": [int(fewest), int(most)]} if fewest > most:
                yield f"simulation {path!r}: units_per_feature [{fewest}, {most}] is upside down"
        return
    is_id = row["source"] == "allen" and path.isascii() and path.isdigit()
    is_url = row["source"] == "retina" and path.startswith(("https://", "http://"))
    paths = [] if is_id or is_url else [path]
    for local in [*paths, *(row[c] for c in ("units", "intervals", "bins") if c in row)]:
        if local.startswith(EXPORTS):
            made = local.removeprefix(EXPORTS).partition("/")[0]
            if made == row["recording"] or sources.get(made, "counts") == "counts":
                yield f"{local!r} is the export of no other recording of this sheet with spikes"
        elif not local.startswith(PRODUCED) and not Path(local).exists():
            yield f"{local!r} does not exist"
        elif row["source"] == "kilosort" and Path(local).is_file():
            yield f"{local!r} is a file, not the folder that Kilosort or Phy wrote"


def _override_problems(settings: dict, ids: list, schema: dict) -> Iterator[str]:
    for recording, sections in settings["overrides"].items():
        if recording not in ids:
            hint = suggest(str(recording), [*map(str, ids)])
            yield f"overrides: no recording {recording!r}{hint}"
        for section, values in (sections if isinstance(sections, dict) else {}).items():
            if section not in OVERRIDABLE:
                hint = suggest(str(section), list(OVERRIDABLE))
                yield f"overrides.{recording}: unknown section {section!r}{hint}"
                continue
            for problem in _problems(values, schema["properties"][section]):
                yield f"overrides.{recording}.{section}: {problem}"


def _model_schema_problems(settings: dict, schema: dict) -> Iterator[str]:
    """Yield what is wrong with the settings that models change, in sections and overrides."""
    for name in ("sae", "distance"):
        properties = schema["properties"][name]["properties"]
        own = OF_MODEL if name == "distance" else properties.keys() - set(SHARED)
        allowed = {key: part for key, part in properties.items() if key in own}
        of_model = {"type": "object", "additionalProperties": False, "properties": allowed}
        sections = {name: settings[name]}
        for recording, changed in settings["overrides"].items():
            if isinstance(changed, dict) and isinstance(changed.get(name), dict):
                sections[f"overrides.{recording}.{name}"] = changed[name]
        for where, section in sections.items():
            models = section.get("models", {})
            for model, values in (models if isinstance(models, dict) else {}).items():
                yield from (f"{where}.models.{model}: {p}" for p in _problems(values, of_model))
            alone = section.get("alone_settings", {})
            yield from (f"{where}.alone_settings: {p}" for p in _problems(alone, of_model))


def _width_problems(config: Config, recording: str) -> Iterator[str]:
    """Yield widths that can't be made of a recording that came as counts.

    ``counts.extra_bin_ms`` is drawn where it can be; what is asked of a sweep has to be possible.
    """
    row, of = config.recordings[recording], config.of(recording)
    if row["source"] != "counts":
        return
    asked = {"counts.bin_ms": [of["counts"]["bin_ms"]], "sweep.bin_ms": of["sweep"]["bin_ms"]}
    for key, widths in asked.items():
        for wanted in (w for w in widths if not whole_multiple(w, row["bin_ms"])):
            yield (
                f"overrides.{recording}.{key}: {wanted} is no whole multiple of the "
                f"{row['bin_ms']} ms that the recording was counted at"
            )
