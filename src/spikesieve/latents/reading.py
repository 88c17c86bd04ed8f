"""Reading the latents of a run, and telling in which bins they are judged."""

from os import PathLike

import numpy as np
import scipy.sparse
from jaxtyping import Bool

from spikesieve.count_table import CountTable
from spikesieve.recording import read_table


def read_latents(
    path: str | PathLike, rows: Bool[np.ndarray, "bin"], n_latents: int
) -> scipy.sparse.csr_array:
    """Return activations ``(bin, latent)`` of those bins of a ``latents`` table in ``rows``."""
    table = read_table(path, "latents")
    values = table["activation"].to_numpy(), (table["bin"].to_numpy(), table["latent"].to_numpy())
    return scipy.sparse.csr_array(values, shape=(len(rows), n_latents))[np.flatnonzero(rows)]


def judged_split(counts: CountTable) -> str:
    """Return the split that latents are judged on: ``test``, or ``validation`` where there is
    none. Where there are both, validation bins have chosen latents, and would flatter them."""
    return "test" if counts.rows("test").any() else "validation"
