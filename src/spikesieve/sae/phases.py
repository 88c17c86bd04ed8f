"""The three phases of a training, read from its loss: where each begins."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spikesieve.errors import InputError

#: Fewer logged rows than this can't show three straight pieces.
LEAST_ROWS = 10
#: More rows are thinned out: the search tries every pair of knots.
MOST_ROWS = 200
#: Share of the loss's variance that the pieces must explain, or there was no trend to divide.
LEAST_EXPLAINED = 0.5
#: A piece must be at most this share as steep as the one before to be another phase.
MOST_SLOPE_RATIO = 0.6


class Phases(NamedTuple):
    """The first logged step of the second and third phase; None where there is no such phase."""

    specialisation: int | None
    fine_tuning: int | None


def training_phases(history: pd.DataFrame, column: str = "loss") -> Phases:
    """Divide a training into initial representation, specialisation and fine-tuning.

    In the first the loss falls steeply, as the dictionary takes the strongest directions; in the
    second it falls more slowly, as latents part from each other; in the third hardly any more.
    So the phases are the pieces of a continuous line of three straight pieces, each less steep
    than the one before, fitted by least squares to the logarithm of the loss over the step
    (a running median of five rows first, which a single bad batch does not move). A loss that is
    not positive throughout, as a likelihood may be, is taken as it is.

    Two pieces are taken where a third improves the fit too little (Bayesian information
    criterion); then ``fine_tuning`` is None. Both are None where one straight line does as well,
    where the loss does not fall, or with fewer than 10 rows: there is nothing to divide.

    ``history`` has a row a logged step of one training, with ``step`` and ``column``; rows that
    are not finite are left out. Raises ``InputError`` where a column is missing.
    """
    missing = [name for name in ("step", column) if name not in history.columns]
    if missing:
        raise InputError(f"a training history without {', '.join(missing)}")
    rows = history[["step", column]].astype(float).replace([np.inf, -np.inf], np.nan).dropna()
    rows = rows.drop_duplicates("step", keep="last").sort_values("step")
    if len(rows) < LEAST_ROWS:
        return Phases(None, None)
    step, loss = rows["step"].to_numpy(), rows[column].to_numpy()
    smooth = rows[column].rolling(5, center=True).median().to_numpy(copy=True)
    # A shorter window at the ends would bend a straight fall there.
    smooth[[0, -1]] = loss[[0, -1]]
    smooth[1], smooth[-2] = np.median(loss[:3]), np.median(loss[-3:])
    y = np.log(smooth) if (loss > 0).all() else smooth
    kept = np.unique(np.linspace(0, len(step) - 1, min(len(step), MOST_ROWS)).round().astype(int))
    knots = _knots(step[kept] - step[0], y[kept])
    found = [int(step[kept[k]]) for k in knots]
    return Phases(*found, *[None] * (2 - len(found)))


def _knots(x: Float[np.ndarray, "row"], y: Float[np.ndarray, "row"]) -> tuple[int, ...]:
    """Return the rows (none, one or two) at the knots of the best falling, flattening line."""
    x, y = x / x[-1], y - y.mean()
    total = float(y @ y)
    # Below this is rounding, of a loss that is constant.
    if total <= len(y) * 1e-20:
        return ()
    rows = np.arange(2, len(x) - 2)
    hinges = np.maximum(x - x[rows, None], 0)
    pairs = np.argwhere(np.subtract.outer(-rows, -rows) >= 2)
    best = {}
    for choices in (np.empty((1, 0), int), np.arange(len(rows))[:, None], pairs):
        errors, slopes = _fits(x, y, hinges, choices)
        flattens = (slopes[:, 1:] > MOST_SLOPE_RATIO * slopes[:, :-1]).all(axis=1)
        errors = np.where((slopes[:, 0] < 0) & flattens, errors, np.inf)
        i = int(errors.argmin())
        best[tuple(int(rows[k]) for k in choices[i])] = float(errors[i])
    # Each knot costs its place and a slope. After the median of five, a fifth of the rows count.
    n = len(y) / 5
    floor = total * 1e-9
    score = {
        knots: n * np.log(max(error, floor)) + 2 * len(knots) * np.log(n)
        for knots, error in best.items()
    }
    knots = min(score, key=score.__getitem__)
    return knots if best[knots] <= (1 - LEAST_EXPLAINED) * total else ()


def _fits(
    x: Float[np.ndarray, "row"],
    y: Float[np.ndarray, "row"],
    hinges: Float[np.ndarray, "knot row"],
    choices: Int[np.ndarray, "choice n_knots"],
) -> tuple[Float[np.ndarray, "choice"], Float[np.ndarray, "choice piece"]]:
    """Return the squared error and the slopes of the fit with each choice of knots.

    All fits share the scalar products of the hinges, so that thousands cost milliseconds.
    """
    columns = np.vstack([x, hinges])
    columns -= columns.mean(axis=1, keepdims=True)
    size = np.linalg.norm(columns, axis=1)
    columns /= size[:, None]
    products, with_y = columns @ columns.T, columns @ y
    used = np.pad(choices + 1, ((0, 0), (1, 0)))
    # The ridge keeps knots that almost coincide solvable.
    gram = products[used[:, :, None], used[:, None, :]] + 1e-12 * np.eye(used.shape[1])
    weights = np.linalg.solve(gram, with_y[used][..., None])[..., 0]
    errors = y @ y - (weights * with_y[used]).sum(axis=1)
    return errors, np.cumsum(weights / size[used], axis=1)
