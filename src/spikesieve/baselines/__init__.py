"""Methods that a dictionary is held against, all judged by the same code.

``BASELINES`` maps a name to ``fit(x, *, seed, **settings) -> Fitted``: ``x`` holds normalised
training counts ``(bin, unit)`` as float32.
"""

from spikesieve.baselines.mean import fit_mean
from spikesieve.baselines.pca import fit_pca

BASELINES = {"mean": fit_mean, "pca": fit_pca}
