"""What an animal did or saw in each bin, for methods that are told."""

from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spikesieve.errors import InputError, suggest
from spikesieve.recording import read_table

#: A variable that fewer of the bins have is not taken unless it is asked for.
LEAST_COVERAGE = 0.5


class Behaviour(NamedTuple):
    """Values, or the number of the class, of all bins of the counts table; one of them is None.

    ``values`` are NaN, ``labels`` -1 where a bin has none. An angle is two columns.
    """

    variables: list[str]
    values: Float[np.ndarray, "bin column"] | None
    labels: Int[np.ndarray, "bin"] | None


def read_behaviour(
    path: str | PathLike,
    n_bins: int,
    variables: list[str] | None = None,
    angles: dict[str, float] | None = None,
) -> Behaviour:
    """Read what ``conditions.parquet`` says of ``n_bins`` bins.

    Parameters
    ----------
    variables : those to take: values and angles together, or one class. None takes all values and
        angles that half of the bins have; where there are none, the class that most bins have.
    angles : degrees until an angle is the same again (``meaning.angles``); 360 where not named.

    Raises
    ------
    InputError
        A variable is not there, or there is none to take, or classes are mixed with others.
    ContractError
        The table is damaged, or another one.
    """
    table = read_table(path, "conditions")
    kinds = table.groupby("variable", sort=False)["kind"].first()
    chosen = _chosen(table, kinds, n_bins) if variables is None else list(variables)
    about = {"path": path, "allowed": ", ".join(map(str, kinds.index)) or "none is there"}
    if not chosen:
        raise InputError("no variable to tell CEBRA", **about, fix="take cebra_time")
    for name in chosen:
        if name not in kinds.index:
            raise InputError(f"no variable {name!r}{suggest(name, [*kinds.index])}", **about)
    classes = [name for name in chosen if kinds[name] == "class"]
    if classes and len(chosen) > 1:
        raise InputError(f"{', '.join(chosen)}: a class goes alone", **about)
    rows = {name: table[table["variable"] == name] for name in chosen}
    if classes:
        return Behaviour(chosen, None, _labels(rows[classes[0]], n_bins))
    periods = angles or {}
    columns = [_column(rows[n], kinds[n], periods.get(n, 360.0), n_bins) for n in chosen]
    return Behaviour(chosen, np.concatenate(columns, axis=1), None)


def _chosen(table: pd.DataFrame, kinds: pd.Series, n_bins: int) -> list[str]:
    covered = table.groupby("variable", sort=False)["bin"].nunique() / max(n_bins, 1)
    wide = [n for n in kinds.index if kinds[n] != "class" and covered[n] >= LEAST_COVERAGE]
    classes = covered[[n for n in kinds.index if kinds[n] == "class"]]
    return wide or ([classes.idxmax()] if len(classes) else [])


def _labels(rows: pd.DataFrame, n_bins: int) -> Int[np.ndarray, "bin"]:
    labels = np.full(n_bins, -1)
    labels[rows["bin"]] = pd.factorize(rows["label"], sort=True)[0]
    return labels


def _column(
    rows: pd.DataFrame, kind: str, period: float, n_bins: int
) -> Float[np.ndarray, "bin column"]:
    """Return a value as one column, an angle of this period as its cosine and sine."""
    value = rows["value"].to_numpy(np.float64)
    if kind == "angle":
        turn = 2 * np.pi * value / period
        value = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    values = np.full((n_bins, 2 if kind == "angle" else 1), np.nan)
    values[rows["bin"]] = value.reshape(len(value), -1)
    return values
