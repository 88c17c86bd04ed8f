"""Where the lines of methods lie, those on smoothed counts beside those on counts as they are."""

import pandas as pd

from spikesieve.figures.methods import SMOOTHED, point_rows


def heights(names: list[str], methods: pd.DataFrame) -> pd.Series:
    """Return the height of each name, as ``methods.point_rows`` draws its points."""
    points = pd.DataFrame({"name": names, "seed": 0, "value": 0.0})
    found = {p["series"].iloc[0]: p["y"].iloc[0] for p in point_rows("", points, methods)}
    return pd.Series(found, dtype=float)


def bar_height(names: pd.Series) -> float:
    """Return how high a bar may be, so that bars of both kinds of counts don't meet."""
    return 0.3 if names.str.endswith(SMOOTHED).any() else 0.55
