"""Variables as matrices: which bins carry which label, seen from a latent that may lag behind."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Float, Int


class Variable(NamedTuple):
    """One variable of the ``conditions`` table; ``bin``, ``code``, ``event``, ``value`` have an
    entry a row of it, by bin. ``labels`` are in order; ``code`` numbers them.
    """

    name: str
    kind: str
    labels: list[str]
    bin: Int[np.ndarray, "row"]
    code: Int[np.ndarray, "row"]
    event: Int[np.ndarray, "row"]
    value: Float[np.ndarray, "row"]


class Told(NamedTuple):
    """The bins of one split that a variable says something about, as a latent sees them.

    ``rows`` are places among the split's bins, ascending; ``members`` is ``(label, row)``, 1 where
    the bin ``lag`` earlier has the label.
    """

    rows: Int[np.ndarray, "row"]
    members: scipy.sparse.csr_array


def variables_of(conditions: pd.DataFrame) -> list[Variable]:
    """Return the variables of a ``conditions`` table, in the order they stand there."""
    found = []
    for name, rows in conditions.groupby("variable", sort=False):
        rows = rows.sort_values("bin", kind="stable")
        known = rows.drop_duplicates("label").sort_values("order")["label"]
        code = pd.Categorical(rows["label"], known).codes.astype(np.int64)
        columns = (rows[c].to_numpy() for c in ("bin", "event", "value"))
        bin_, event, value = columns
        kind = str(rows["kind"].iloc[0])
        found.append(
            Variable(str(name), kind, known.astype(str).tolist(), bin_, code, event, value)
        )
    return found


def told(variable: Variable, bins: Int[np.ndarray, "bin"], lag: int) -> Told:
    """Return which of ``bins`` (ascending) a variable tells something about, ``lag`` bins later."""
    place = np.searchsorted(bins, variable.bin + lag)
    inside = place < len(bins)
    inside[inside] = bins[place[inside]] == variable.bin[inside] + lag
    rows, column = np.unique(place[inside], return_inverse=True)
    shape = (len(variable.labels), len(rows))
    ones = np.ones(len(column))
    members = scipy.sparse.csr_array((ones, (variable.code[inside], column)), shape=shape)
    members.data[:] = 1  # two intervals of one label over a bin are one
    return Told(rows, members)


def rows_told(variable: Variable, bins: Int[np.ndarray, "bin"], lag: int) -> pd.DataFrame:
    """Return ``row`` (place among ``bins``), ``code``, ``event``, ``value`` of the bins told of."""
    place = np.searchsorted(bins, variable.bin + lag)
    inside = place < len(bins)
    inside[inside] = bins[place[inside]] == variable.bin[inside] + lag
    columns = {name: getattr(variable, name)[inside] for name in ("code", "event", "value")}
    return pd.DataFrame({"row": place[inside], **columns})
