"""The errors that spikesieve raises: what is wrong, where, what is allowed, how to mend it."""

from os import PathLike


class SpikesieveError(Exception):
    """Base of every error that spikesieve raises on purpose.

    The message is one sentence a part: ``recording 'x': FILE: problem. Allowed: ... Fix: ...``.
    """

    def __init__(
        self,
        problem: str,
        *,
        recording: str | None = None,
        path: str | PathLike | None = None,
        allowed: str | None = None,
        fix: str | None = None,
    ):
        where = [f"recording {recording!r}"] if recording is not None else []
        where += [str(path)] if path is not None else []
        message = ": ".join([*where, problem]).rstrip(".") + "."
        message += f" Allowed: {allowed.rstrip('.')}." if allowed else ""
        message += f" Fix: {fix.rstrip('.')}." if fix else ""
        super().__init__(message)


class InputError(SpikesieveError, ValueError):
    """A file or value that a user handed in is missing, damaged or out of range."""


class ContractError(SpikesieveError, ValueError):
    """A table of the project does not hold what its contract says."""


class ConfigError(SpikesieveError, ValueError):
    """The configuration or the sheet of recordings is wrong."""


def suggest(name: str, known: list[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest of ``known``, or nothing."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
