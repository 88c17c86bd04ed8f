"""Methods that a dictionary is held against, all judged by the same code.

``BASELINES`` maps a name to ``fit(counts, bins, *, seed, **settings) -> Fitted``: ``counts`` are
the training bins as counted, ``(bin, unit)``, ``bins`` their numbers. Those that need torch, trials
or labels (CEBRA, sliceTCA, LFADS) are not among them; ``methods.method_fit`` knows all.
"""

from functools import partial

from spikesieve.baselines.factor_analysis import fit_factor_analysis
from spikesieve.baselines.ica import fit_ica
from spikesieve.baselines.mean import fit_mean
from spikesieve.baselines.nmf import fit_nmf
from spikesieve.baselines.pca import fit_pca
from spikesieve.baselines.raw import fit_raw

BASELINES = {
    "mean": fit_mean,
    "raw": fit_raw,
    "pca": fit_pca,
    "factor_analysis": fit_factor_analysis,
    "nmf": fit_nmf,
    "nmf_frobenius": partial(fit_nmf, loss="frobenius"),
    "ica": fit_ica,
}
