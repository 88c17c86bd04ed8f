"""The sparse autoencoder as an estimator: counts in, numpy out, fit, transform, save, load."""

from collections.abc import Callable
from numbers import Integral
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from jaxtyping import Bool, Float, Integer, Real

from spikesieve.errors import ContractError, InputError
from spikesieve.latents.matching import SAME_FEATURE
from spikesieve.sae import architectures
from spikesieve.sae.checking import (
    check_held_out_needed,
    check_windows,
    checked_latents,
    find_device,
    held_out_rows,
    hold_out,
    known_rows,
    level_of,
    training_rows,
    unit_mask,
)
from spikesieve.sae.checkpoints import check_tensors, read_model, save_model
from spikesieve.sae.coding import codes_of, predictions_of
from spikesieve.sae.inputs import fit_scalings, make_data, smoothed
from spikesieve.sae.instances import train_instances
from spikesieve.sae.logging import logging_to
from spikesieve.sae.readout import (
    expected_counts,
    fit_readout,
    gated,
    pruned,
    read,
    readouts_from,
    with_gate,
)
from spikesieve.sae.settings import (
    ARCHITECTURES,
    check_instances,
    make_settings,
    native,
    stand_ins,
    whole_levels,
)
from spikesieve.sae.states import settle
from spikesieve.sae.storing import (
    parameters_from,
    scalings_from,
    settings_of_part,
    tensor_shapes,
    tensors_of_model,
)
from spikesieve.sae.training import TrainingError


class SparseAutoencoder:
    """A dictionary of population patterns, of which few are active in any bin.

    Parameters
    ----------
    architecture : ``vanilla``, ``gated``, ``jumprelu`` (sparse by a penalty), ``topk``,
        ``batch_topk``, ``matryoshka_topk``, ``matryoshka_batch_topk`` (by a budget ``k``).
    n_latents, k : width of the dictionary, and latents active in a bin on average. Left out,
        ``fit`` chooses both, ``smoothing`` and ``masked_share``, on the last tenth of the bins
        (``spikesieve.sae.selection``); latents are then read by explaining away, and those that a
        second instance does not find are left out (``readout="poisson"``, ``min_stability=0.7``;
        with ``readout="encoder"`` one instance is enough).
    seed : of weights and batches. The same seed gives the same model on the same machine.
    n_instances : so many models are trained side by side, of seeds ``seed``, ``seed + 1``, ...
    levels : nested dictionaries of a Matryoshka, narrow to wide: ``{128: 8, 512: 16}``, pairs or
        triples (width, k, weight). The last is the whole: it sets ``n_latents`` and ``k``,
        or must equal them.
    device : ``"auto"`` (a GPU where there is one), ``"cpu"`` or ``"cuda"``.
    **settings : all else, as in ``spikesieve.sae.settings.Settings``, which explains each.

    Attributes
    ----------
    histories_ : one table an instance, a row a logged step (None in a loaded model).
    parameters_, thresholds_ : weights, and the values below which codes are zero.
    stability_ : of each instance's latents before pruning, where ``min_stability`` asked for it:
        their correlation with a partner in the other instances, at least; 0 for a latent that is
        little more than one unit.
    selection_ : the table that width and k were chosen from, where they were.

    Raises
    ------
    InputError
        An argument is unknown, out of range, or excludes another.
    """

    def __init__(
        self,
        architecture: str = "matryoshka_batch_topk",
        n_latents: Integral | None = None,
        k: Integral | None = None,
        seed: Integral = 0,
        n_instances: Integral = 1,
        *,
        levels=None,
        device: str = "auto",
        **settings,
    ):
        levels, n_latents, k, n_instances = native((levels, n_latents, k, n_instances))
        chosen = native({"architecture": architecture, "seed": seed, **settings})
        if levels:
            width, budget = whole_levels(levels)
            n_latents, k = width if n_latents is None else n_latents, budget if k is None else k
            chosen["levels"] = levels
        chosen |= {name: v for name, v in (("n_latents", n_latents), ("k", k)) if v is not None}
        budget = ARCHITECTURES.get(str(architecture)) is not None
        needed = ["smoothing", "masked_share", "k", "n_latents"] if budget else ["n_latents"]
        is_open = "n_latents" not in chosen or (budget and "k" not in chosen)
        self._open = [name for name in needed if name not in chosen] if is_open else []
        if is_open and budget and chosen.get("readout", "poisson") == "poisson":
            # Latents that only one training finds are noise: train two, and leave those out.
            chosen = {"readout": "poisson", "min_stability": SAME_FEATURE} | chosen
            n_instances = 2 if chosen["min_stability"] and n_instances == 1 else n_instances
        self.settings = make_settings(**stand_ins(chosen) | chosen)
        check_instances(self.settings, n_instances)
        self._chosen = chosen
        self.n_instances, self.device = n_instances, find_device(device)
        self.histories_ = self.parameters_ = self.thresholds_ = self.selection_ = None
        self.readouts_ = self.stability_ = None
        self._predicts_counts = True

    @property
    def seeds(self) -> list[int]:
        """The seed of each instance."""
        return [self.settings.seed + i for i in range(self.n_instances)]

    def fit(
        self,
        counts: Real[np.ndarray, "bin unit"],
        bins: Integer[np.ndarray, "bin"] | None = None,
        *,
        target: Real[np.ndarray, "bin target"] | None = None,
        validation: tuple | None = None,
        states: str | PathLike | None = None,
        keep_every_s: float = 600.0,
        tensorboard: str | PathLike | None = None,
        log: Callable[[int, dict], None] = lambda instance, row: None,
    ) -> "SparseAutoencoder":
        """Learn from ``counts`` (training bins only; normalised inside, see ``normalisation``).

        Parameters
        ----------
        bins : number of each bin, ascending: those that follow each other are neighbours in
            time. Without them all are.
        target : what to reconstruct instead of the counts: another population, bin by bin.
        validation : ``(counts, bins)`` or ``(counts, bins, target)`` of bins to choose, to stop
            and to set thresholds by. Without them, the last tenth of the bins where something is
            to be chosen or latents must be stable; else the training bins set the thresholds.
        states : folder in which to keep the state of the training every ``keep_every_s``; a
            fit that finds its own there goes on from it. Deleted at the end. Of a training that
            fails, the last good model stays in ``last_good`` there; ``load`` reads it.
        tensorboard : folder to which each row of history goes as well, for TensorBoard.
        log : called with the instance's number and each row of its history.

        Raises
        ------
        InputError
            Values that are not finite or negative, or shapes that don't match; ``patience``
            without ``validation``; too few bins to choose by.
        TrainingError
            A loss turned NaN. The model is then what it was at most 16 steps before, fit for use
            and for ``save``; of a loss that never was finite, what it was before ``fit``.
        """
        counts, bins, target = training_rows(counts, bins, target)
        held_out = None if validation is None else held_out_rows(validation, counts, target)
        if held_out is None:
            check_held_out_needed(counts, self._open, self.settings)
        judged_apart = self._open or self.settings.min_stability
        if held_out is None and judged_apart and target is counts and len(counts) > 1:
            # What chooses and tells what is stable must not be what was learnt from.
            (counts, bins), held_out = hold_out(counts, bins)
            target = counts
        if self._open:
            self._choose(counts, bins, target, held_out)
        s = self.settings
        if self._reads and target is not counts:
            problem = "readout 'poisson' with another target than the counts"
            raise InputError(problem, fix="set readout: encoder")
        raw, counts, target = counts, *self._smoothed(counts, bins, target)
        *both, start = fit_scalings(counts, target, s)
        scalings = tuple(both)
        data = make_data(counts, target, bins, scalings, s, self.device)
        check_windows(data, "training", s)
        looked_at = None
        if held_out is not None:
            held_counts, held_target = self._smoothed(*held_out)
            looked_at = make_data(held_counts, held_target, held_out[1], scalings, s, self.device)
            check_windows(looked_at, "validation", s)
        states, failure = Path(states) if states else None, None
        try:
            with logging_to(tensorboard, log) as log:
                kept = {"validation": looked_at, "states": states, "keep_every_s": keep_every_s}
                trained = train_instances(data, start, s, self.seeds, log=log, **kept)
        except TrainingError as error:
            trained, failure = error.last_good, error
            if trained is None:
                raise
        self.parameters_, self.thresholds_, self.histories_ = trained
        self._scalings = (data.input_scaling, data.target_scaling)
        self._predicts_counts = data.targets is data.counts
        self.readouts_ = None
        if self._reads:
            judged = (raw, bins) if held_out is None else held_out[:2]
            self._read_out(raw, counts, bins, judged)
        settle(self.save, states, failure)
        return self

    def transform(
        self,
        counts: Real[np.ndarray, "bin unit"],
        bins: Integer[np.ndarray, "bin"] | None = None,
        *,
        instance: int = 0,
        level: int | None = None,
        hidden: Bool[np.ndarray, "unit"] | None = None,
    ) -> scipy.sparse.csr_array:
        """Return the activations of each bin as float32 CSR ``(bin, latent)``.

        With ``readout="poisson"`` they are spikes that a latent explains in the bin. ``level``
        numbers the nested dictionaries, which are read by the encoder; ``hidden`` units are left
        out. A bin's depend on its window and ``4 * smoothing`` bins around, never beyond a gap; a
        Poisson readout looks at no window, but twice ``4 * (smoothing + 0.5)`` bins further.
        """
        self._instance(instance)
        if self.readouts_ is not None and level is None:
            counts, bins = self._known(counts, bins)
            readout = self.readouts_[instance]
            mask = None if hidden is None else unit_mask(hidden, counts.shape[1])
            explained = read(readout, counts, bins, self.settings.smoothing, hidden=mask)
            return gated(explained, readout)
        return self._codes(counts, bins, instance, -1 if level is None else level, hidden)

    def _codes(self, counts, bins, instance, level, hidden) -> scipy.sparse.csr_array:
        p, (counts, bins), s = self._instance(instance), self._known(counts, bins), self.settings
        x, _ = self._smoothed(counts, bins, counts)
        data = make_data(x, x, bins, self._scalings, s, self.device)
        mask = None if hidden is None else unit_mask(hidden, counts.shape[1])
        mask = None if mask is None else torch.from_numpy(mask).to(self.device)
        level_of(s, level)
        thresholds = self.thresholds_[instance : instance + 1].to(self.device)
        return codes_of(p, data, s, thresholds, level, mask)

    def inverse_transform(
        self,
        latents: scipy.sparse.csr_array | Float[np.ndarray, "bin latent"],
        *,
        instance: int = 0,
        level: int | None = None,
        offset: int = 0,
    ) -> Float[np.ndarray, "bin unit"]:
        """Return the counts that ``latents`` stand for, never negative, of the bin ``offset``
        bins from theirs; ``level`` is that of ``transform``."""
        p, s = self._instance(instance), self.settings
        reads, widths = self.readouts_ is not None and level is None, {v.width for v in s.levels}
        if level is not None:
            widths = {level_of(s, level).width}
        elif reads:
            widths = {len(self.readouts_[instance].loadings)}
        latents = checked_latents(latents, widths)
        bins = (0,) if reads else s.reconstruct
        if offset not in bins:
            problem = f"offset {offset}: the model does not reconstruct that bin"
            raise InputError(problem, allowed=f"one of {list(bins)}, see setting reconstruct")
        if reads:
            return expected_counts(self.readouts_[instance], latents)
        number = s.reconstruct.index(offset)
        return predictions_of(p, latents, self._scalings[1], s, number)

    def predict_hidden(
        self,
        counts: Real[np.ndarray, "bin unit"],
        bins: Integer[np.ndarray, "bin"] | None,
        hidden: Bool[np.ndarray, "unit"],
        *,
        instance: int = 0,
    ) -> Float[np.ndarray, "bin hidden"]:
        """Return the counts expected of the ``hidden`` units, told from the others alone.

        Raises ``InputError`` where the model was trained to predict another target, or other
        bins (``reconstruct`` without 0).
        """
        if not self._predicts_counts:
            problem = "predict_hidden of a model that was fitted to another target than its counts"
            raise InputError(problem, fix="take transform and inverse_transform")
        hidden = np.asarray(hidden)
        latents = self.transform(counts, bins, instance=instance, hidden=hidden)
        return self.inverse_transform(latents, instance=instance)[:, hidden]

    def save(
        self, folder: str | PathLike, *, about: dict | None = None, instance: int | None = None
    ) -> None:
        """Write ``checkpoint.safetensors`` and ``model.json`` (``about`` beside the settings).

        All instances, or only the one numbered ``instance``.
        """
        self._instance(instance or 0)
        part = slice(None) if instance is None else slice(instance, instance + 1)
        description = {
            "device": self.device.type,
            "settings": settings_of_part(self.settings, self.seeds[part]),
            "n_instances": len(self.seeds[part]),
            "predicts_counts": self._predicts_counts,
            "root": {"input": self._scalings[0].root, "target": self._scalings[1].root},
        }
        tensors = tensors_of_model(
            {name: t[part] for name, t in self.parameters_.items()},
            self.thresholds_[part],
            self._scalings,
            self.readouts_[part] if self.readouts_ else [],
        )
        save_model(Path(folder), tensors, description | {"about": about or {}})

    @classmethod
    def load(cls, folder: str | PathLike, *, device: str = "auto") -> "SparseAutoencoder":
        """Read what ``save`` wrote.

        Raises ``ContractError`` when a file is missing, damaged, of another shape or schema;
        ``InputError`` for a device that is not there.
        """
        folder, _ = Path(folder), find_device(device)
        tensors, description = read_model(folder)
        try:
            settings, n = description["settings"], description["n_instances"]
            model = cls(**settings, n_instances=n, device=device)
            check_tensors(folder, tensors, tensor_shapes(tensors, model.settings, n))
            moved = {name: t.to(model.device) for name, t in tensors.items()}
            model._scalings = scalings_from(moved, description["root"])
            model._predicts_counts = bool(description.get("predicts_counts", True))
        except (KeyError, TypeError, RuntimeError, InputError) as error:
            raise ContractError(
                f"unreadable model description ({error})",
                path=folder,
                fix="delete the folder and train again",
            ) from error
        model.thresholds_ = moved["thresholds"]
        if model._reads:
            model.readouts_ = readouts_from(tensors, n)
        model.parameters_ = parameters_from(moved)
        return model

    @property
    def history_(self) -> pd.DataFrame | None:
        """The history of the first instance."""
        return self.histories_[0] if self.histories_ else None

    @property
    def _reads(self) -> bool:
        return self.settings.readout == "poisson"

    def _choose(self, counts, bins, target, held_out) -> None:
        """Settle what was left open, and remember the table it was settled by."""
        from spikesieve.sae.selection import choose

        if target is not counts:
            fix = "set n_latents and k, which are chosen by predicting counts from themselves"
            raise InputError("another target than the counts", fix=fix)
        device = self.device.type
        chosen, self.selection_ = choose(counts, bins, held_out, self._chosen, self._open, device)
        self.settings = make_settings(**self._chosen, **chosen)

    def _instance(self, instance: int) -> architectures.Parameters:
        if self.parameters_ is None:
            raise InputError("the autoencoder is not fitted yet", fix="call fit first")
        if not isinstance(instance, Integral) or not 0 <= instance < self.n_instances:
            raise InputError(f"instance {instance}", allowed=f"0 to {self.n_instances - 1}")
        return {name: t[instance : instance + 1] for name, t in self.parameters_.items()}

    def _known(self, counts, bins):
        return known_rows(counts, bins, len(self._scalings[0].gain))

    def _smoothed(self, counts, bins, target):
        return smoothed(counts, bins, target, self.settings.smoothing)

    def _read_out(self, raw, smoothed, bins, judged) -> None:
        """Learn each instance's readout from training bins, its gate and stability from others."""
        s = self.settings
        instances = range(self.n_instances)
        codes = (self._codes(raw, bins, i, -1, None) for i in instances)
        self.readouts_ = [fit_readout(c, smoothed) for c in codes]
        # The gate is that of the whole dictionary: latents that stay take on none of the budget
        # of those that go, and where few do no latent gets to be active all the time.
        active = [self._gated(i, *judged) for i in instances]
        if s.min_stability:
            self.stability_, self.readouts_ = pruned(self.readouts_, active, s.min_stability, s.k)

    def _gated(self, instance: int, counts, bins) -> scipy.sparse.csr_array:
        """Set an instance's gate by its budget on these bins; return what is active in them."""
        explained = read(self.readouts_[instance], counts, bins, self.settings.smoothing)
        self.readouts_[instance] = with_gate(self.readouts_[instance], explained, self.settings.k)
        return gated(explained, self.readouts_[instance])
