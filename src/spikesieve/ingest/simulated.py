"""Recordings that the project simulates, with the truth that was planted in them."""

import inspect
import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from spikesieve.errors import InputError, suggest
from spikesieve.files import atomic_path
from spikesieve.ingest.simulated_features import simulate_features
from spikesieve.ingest.simulated_retina import simulate_retina
from spikesieve.ingest.simulated_spiking import SAMPLING_RATE_HZ, Simulation
from spikesieve.ingest.writing import Source, write_recording

_KINDS: dict[str, Callable[..., Simulation]] = {
    "features": simulate_features,
    "retina": simulate_retina,
}


def simulate(settings: Mapping, *, seed: int) -> Simulation:
    """Simulate what ``settings`` describe: an entry of ``simulations`` in the configuration.

    ``kind`` is ``features`` or ``retina``; the other keys are arguments of ``simulate_features``
    or ``simulate_retina``. The same settings and seed give the same bytes.

    Raises
    ------
    InputError
        An unknown kind, a key that the kind does not have, a value out of range, a negative seed.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}", allowed="0 or more", fix="change seed in config")
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    if kind not in _KINDS:
        raise InputError(
            f"simulation kind {kind!r}{suggest(str(kind), list(_KINDS))}", allowed=", ".join(_KINDS)
        )
    known = [name for name in inspect.signature(_KINDS[kind]).parameters if name != "seed"]
    for name in arguments:
        if name not in known:
            raise InputError(
                f"simulation kind {kind!r} has no key {name!r}{suggest(name, known)}",
                allowed=", ".join(known),
                fix="remove or rename the key under simulations in config",
            )
    return _KINDS[kind](seed=seed, **arguments)


def simulation_source(
    simulation: Simulation, *, recording: str, settings: Mapping, seed: int
) -> Source:
    """Return ``simulation`` as the source of recording ``recording``, its origin in the notes."""
    text = json.dumps(dict(settings), sort_keys=True)
    origin = f"simulated from root seed {seed}, this recording's id and {text}"
    return Source(
        recording=recording,
        source="simulated",
        path=f"simulation of kind {settings['kind']}",
        duration_s=simulation.duration_s,
        sampling_rate_hz=float(SAMPLING_RATE_HZ),
        subject="simulated",
        units=simulation.units,
        intervals=simulation.intervals,
        signals=simulation.signals,
        inputs=(),
        notes=(origin, *simulation.notes),
        spikes=[simulation.spikes],
    )


def derived_seed(root_seed: int, recording: str) -> int:
    """Return the seed of one recording of a project whose root seed is ``root_seed``."""
    return int(np.random.SeedSequence([root_seed, *recording.encode()]).generate_state(1)[0])


def write_simulation(
    folder: str | PathLike, *, recording: str, settings: Mapping, seed: int
) -> None:
    """Simulate ``settings`` and write the recording's tables and ``truth.npz`` into ``folder``.

    The recording's id goes into the random numbers: two recordings of one simulation differ.
    Raises ``InputError`` as ``simulate`` does; then nothing is written.
    """
    try:
        simulation = simulate(settings, seed=derived_seed(seed, recording))
    except InputError as error:
        raise InputError(str(error).rstrip("."), recording=recording) from None
    write_recording(
        folder, simulation_source(simulation, recording=recording, settings=settings, seed=seed)
    )
    with atomic_path(Path(folder) / "truth.npz") as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **simulation.truth)


def read_truth(path: str | PathLike) -> dict[str, np.ndarray]:
    """Read ``truth.npz``: the arrays that ``simulate_features`` or ``simulate_retina`` document.

    Raises ``InputError`` when the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(
            f"not a readable truth file ({error})", path=path, fix="delete it and run again"
        ) from error
