"""Files that are whole or absent: atomic writing, checksums."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikesieve.errors import InputError


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; move it there when the block ends well.

    A reader sees the old file or the new one, never half of one. When the block raises,
    what was written is deleted and ``path`` stays as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as matplotlib and numpy read the format from it. The name
    # is always the same, so that what a killed run left behind is overwritten, not piled up.
    temporary = target.with_name(f".{target.stem}.tmp{target.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write ``content`` as indented JSON, atomically; NaN is refused (JSON has none)."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(
    path: str | os.PathLike, expected: str | None, recording: str | None = None
) -> None:
    """Compare the SHA-256 of a file with ``expected``; where that is None, nothing is checked.

    Raises
    ------
    InputError
        The file is absent, or its sum is another one; the message shows both.
    """
    about = {"recording": recording, "path": path}
    if not Path(path).is_file():
        raise InputError("no such file", **about, fix="check the path in the sheet of recordings")
    if expected is None:
        return
    if (found := sha256(path)) != expected.strip().lower():
        raise InputError(
            f"its SHA-256 is {found}, not the expected {expected.strip().lower()}",
            **about,
            fix="fetch the file again; if it was changed on purpose, correct sha256 in the sheet",
        )
