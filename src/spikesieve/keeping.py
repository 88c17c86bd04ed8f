"""Keep the state of a long training from time to time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def keeper(path: Path | None, every_s: float, save: Callable[[Path, Any], None]):
    """Return what calls ``save(path, state)`` whenever ``every_s`` have passed since the last."""
    last = time.monotonic()

    def keep(state: Any) -> None:
        nonlocal last
        if path is not None and time.monotonic() - last >= every_s:
            save(path, state)
            last = time.monotonic()

    return keep
