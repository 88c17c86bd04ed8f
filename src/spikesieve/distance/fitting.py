"""One training from tables to a checkpoint: bins in, network, history and embeddings out."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from spikesieve.distance.bins import Bins
from spikesieve.distance.networks import n_parameters
from spikesieve.distance.settings import Settings, make_settings
from spikesieve.distance.states import (
    Trained,
    fingerprint,
    restored,
    save_network,
    save_state,
)
from spikesieve.distance.training import (
    first_state,
    history_table,
    population_of,
    train,
    with_steps,
)
from spikesieve.errors import InputError, SpikesieveError
from spikesieve.fitting import derived_seed
from spikesieve.keeping import keeper
from spikesieve.recording import write_table


def pick_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu`` or ``cuda``.

    Raises ``InputError`` where a GPU is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda', but torch sees no GPU", fix="take device: auto or cpu")
    return torch.device(name)


def fit_network(
    bins: list[Bins],
    settings: dict,
    *,
    device: str = "cpu",
    state: Path | None = None,
    keep_every_s: float = 600.0,
) -> tuple[Trained, pd.DataFrame]:
    """Train on recordings together, going on from ``state`` where that file holds this training.

    Returns
    -------
    The network that did best on validation windows, and its history.

    Raises
    ------
    InputError
        Settings that don't go together, recordings that can't be trained on together, a split
        shorter than a window. The message names the recording.
    TrainingError
        The loss is no number any more.
    """
    s = make_settings(**settings)
    population = population_of(bins, pick_device(device))
    if s.unit == "none" and population.n_units > 1:
        print("The network isn't told which unit is asked for: it predicts the same for all.")
    s = with_steps(s, population)
    first = first_state(s, population)
    size = f"{n_parameters(first.network):,} parameters, {population.n_units} units"
    print(f"{size}, {s.n_steps} steps, device {device}.")
    belongs_to = fingerprint(bins, s)
    state_now = first if state is None else restored(state, first, belongs_to)
    if state_now.step:
        print(f"Going on from step {state_now.step} of {s.n_steps}, kept in {state}.")
    try:
        keep = keeper(state, keep_every_s, partial(save_state, belongs_to=belongs_to))
        done = train(state_now, population, s, keep=keep)
    except SpikesieveError as error:
        text = str(error)
        named = any(text.startswith(f"recording {b.recording!r}") for b in bins)
        names = None if named else " and ".join(b.recording for b in bins)
        raise type(error)(text, recording=names) from error
    if state is not None:
        state.unlink(missing_ok=True)
    units = [(b.recording, int(unit)) for b in bins for unit in b.unit_ids]
    network = done.network.cpu().eval()
    trained = Trained(network, s, units, bins[0].channels, bins[0].bin_s)
    return trained, history_table(done.rows)


def embedding_table(trained: Trained) -> pd.DataFrame:
    """Return a row a unit: the mean of its embedding, in columns ``e0``, ``e1`` and on."""
    if trained.network.embedding is None:
        mean = np.empty((len(trained.units), 0), np.float32)
    else:
        mean = trained.network.embedding.mean.detach().numpy()
    recording, unit_id = zip(*trained.units, strict=True)
    table = pd.DataFrame(mean, columns=[f"e{k}" for k in range(mean.shape[1])])
    return table.assign(recording=recording, unit_id=np.array(unit_id, np.int32))


def fit_and_save(
    bins: list[Bins],
    settings: dict,
    folder: Path,
    *,
    model: str,
    seed: int,
    root_seed: int,
    **options,
) -> None:
    """Train run ``seed``; write its checkpoint, history and unit embeddings into ``folder``."""
    own = derived_seed(root_seed, seed)
    trained, history = fit_network(bins, settings | {"seed": own}, **options)
    about = {"model": model, "seed": seed, "root_seed": root_seed, "derived_seed": own}
    save_network(folder, trained, about | {"n_parameters": n_parameters(trained.network)})
    write_table(folder / "history.parquet", "history", history)
    write_table(folder / "unit_embedding.parquet", "unit_embedding", embedding_table(trained))


def settings_fields() -> tuple[str, ...]:
    """Return the names of all settings but the seed, which the workflow derives."""
    return tuple(name for name in Settings._fields if name != "seed")
