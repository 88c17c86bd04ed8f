"""Problems of a configuration, each told once with the recordings that it is about."""

from collections.abc import Callable, Iterable


def problems_by_recording(
    of: dict[str, dict], problems_of: Callable[[dict], Iterable[str]]
) -> list[str]:
    """Return each problem once, and after it the recordings that have it.

    Parameters
    ----------
    of : the settings of each recording, its overrides applied, valid by the schema.
    """
    where: dict[str, list[str]] = {}
    for recording, settings in of.items():
        for problem in dict.fromkeys(problems_of(settings)):
            where.setdefault(problem, []).append(recording)
    return [f"{problem} (recordings {', '.join(ids)})" for problem, ids in where.items()]
