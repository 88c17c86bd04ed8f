"""Kilosort's ``params.py`` read as text: its literal assignments count, nothing in it is run.

The file is Python, and Phy and SpikeInterface execute it. A folder that came by mail could then
do anything, so here it is only parsed: ``ast.literal_eval`` of what stands right of a ``=``.
"""

import ast
import warnings
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spikesieve.errors import InputError

# Real files have about 200 bytes; the parser's stack is not for strangers to try out.
_MAX_BYTES = 1 << 16
_MAX_NOTES = 5
_RAW_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")


class Params(NamedTuple):
    """Sampling rate in Hz, every literal by name, and what was ignored."""

    sampling_rate_hz: float
    values: dict[str, object]
    notes: list[str]


def read_params(path: str | PathLike, *, recording: str) -> Params:
    """Return the literal assignments of ``params.py``, without executing a line of it.

    Statements that are no literal assignments are ignored with a note.

    Raises
    ------
    InputError
        The file is missing, too large, not UTF-8 or not Python, or ``sample_rate`` is missing,
        computed, or no sensible number of Hz.
    """
    tree, lines = _parse(Path(path), recording)
    values: dict[str, object] = {}
    ignored, literal_targets = [], set()
    for node in tree.body:
        names = _names(node)
        try:
            value = ast.literal_eval(node.value) if names else None
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            names = []
        if names:
            values |= {name.id: value for name in names}
            literal_targets |= {id(name) for name in names}
        elif not _does_nothing(node):
            ignored.append(node.lineno)
    about = {"recording": recording, "path": path}
    _refuse_computed_rate(tree, literal_targets, lines, about)
    return Params(_rate(values, about), values, list(_notes(ignored, lines)))


def raw_duration_s(params: Params, folder: Path) -> tuple[float | None, list[str]]:
    """Return the length of the raw recording that ``params.py`` names, in s, and notes.

    The length is None when the file is not here or its layout is not given. ``dat_path`` may be
    relative to ``folder``, and a list: its files are then one after the other.
    """
    listed = params.values.get("dat_path")
    paths = listed if isinstance(listed, list | tuple) else [listed]
    if not paths or not all(isinstance(p, str) and p and _is_file(folder / p) for p in paths):
        return None, []
    n_channels, dtype, offset = layout = (
        params.values.get("n_channels_dat"),
        params.values.get("dtype"),
        params.values.get("offset", 0),
    )
    good = type(n_channels) is int and n_channels > 0 and type(offset) is int and offset >= 0
    if not good or dtype not in _RAW_DTYPES:
        return None, [
            f"the raw file is here, but params.py does not describe it (n_channels_dat, dtype, "
            f"offset = {', '.join(map(_shown, layout))}): its length is not used"
        ]
    frame = n_channels * np.dtype(dtype).itemsize
    bytes_of_files = [max((folder / p).stat().st_size - offset, 0) for p in paths]
    frames = sum(size // frame for size in bytes_of_files)
    notes = [f"the duration is the length of the raw file {', '.join(paths)}"]
    if any(size % frame for size in bytes_of_files):
        notes.append("the raw file ends in an incomplete frame, which does not count")
    return frames / params.sampling_rate_hz, notes


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, or a folder that may not be read
        return False


def _parse(path: Path, recording: str) -> tuple[ast.Module, list[str]]:
    about = {"recording": recording, "path": path}
    fix = "write it as Kilosort does: sample_rate = 30000., and so on"
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError("missing; it holds the sampling rate", **about, fix=fix) from None
    except OSError as error:
        raise InputError(f"unreadable ({error.strerror})", **about) from None
    if len(content) > _MAX_BYTES:
        raise InputError("too large", **about, allowed=f"at most {_MAX_BYTES} bytes", fix=fix)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text ({error})", **about, fix="save it as UTF-8") from None
    try:
        with warnings.catch_warnings(action="ignore"):  # on backslashes of Windows paths
            return ast.parse(text), text.splitlines()
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = str(error)[:200] or "nested too deeply"
        raise InputError(f"not valid Python ({reason})", **about, fix=fix) from None


def _names(node: ast.stmt) -> list[ast.Name]:
    if isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets):
        return node.targets
    if isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
        return [node.target]
    return []


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _refuse_computed_rate(tree, literal_targets: set[int], lines: list[str], about: dict) -> None:
    """Refuse any binding of ``sample_rate`` that only running the file would resolve."""
    for node in ast.walk(tree):
        bound = isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        if bound and node.id == "sample_rate" and id(node) not in literal_targets:
            raise InputError(
                f"sample_rate is computed ({_excerpt(lines, node.lineno)!r}); "
                "this file is never executed",
                **about,
                allowed="a plain number",
                fix="write the number: sample_rate = 30000.",
            )


def _rate(values: dict, about: dict) -> float:
    if "sample_rate" not in values:
        raise InputError("no sample_rate", **about, fix="add a line sample_rate = 30000.")
    rate = values["sample_rate"]
    if type(rate) not in (int, float) or not 1 <= rate <= 1e7:
        raise InputError(f"sample_rate is {_shown(rate)}", **about, allowed="1 to 10,000,000 Hz")
    return float(rate)


def _shown(value: object) -> str:
    try:
        return repr(value)[:60]
    except (ValueError, RecursionError, MemoryError):  # an integer of thousands of digits
        return "a huge value"


def _notes(ignored: list[int], lines: list[str]) -> Iterator[str]:
    for line in ignored[:_MAX_NOTES]:
        yield (
            f"params.py, line {line}: {_excerpt(lines, line)!r} is no literal assignment; "
            "ignored, not executed"
        )
    if len(ignored) > _MAX_NOTES:
        yield f"params.py: {len(ignored) - _MAX_NOTES} more such statements ignored"


def _excerpt(lines: list[str], line: int) -> str:
    return lines[line - 1].strip()[:80] if line <= len(lines) else ""
