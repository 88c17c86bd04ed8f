"""Time a training step, ours and those of other packages, taking turns within one run.

Ours is a step of the training as it is: batches, losses, history, the look at dead latents, one
thread for each instance. Others run in a Python of their own, driven by lines on a pipe.
"""

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import UInt8

from spikesieve.benchmarking import time_turns
from spikesieve.errors import InputError
from spikesieve.sae import training
from spikesieve.sae.inputs import fit_scalings, make_data
from spikesieve.sae.settings import make_settings

OURS = "spikesieve"
PEERS = ("nldisco step", "nldisco train_model", "dictionary-learning", "sae-lens")
#: Steps in a turn of each: a whole training has to be set up, which must not count for much.
PEER_STEPS = {"nldisco train_model": 32}
#: Steps in a turn of ours: as often as the training looks at the device.
OUR_STEPS = training.REFRESH_STEPS


class Work(NamedTuple):
    """What a step has to do: ``levels`` of (width, k), narrow to wide."""

    n_units: int = 200
    levels: tuple[tuple[int, int], ...] = ((128, 8), (512, 16), (1024, 32))
    batch_size: int = 1024
    n_instances: int = 2
    loss: str = "mse"

    @property
    def size(self) -> str:
        """The work in words, for a table."""
        levels = ", ".join(f"{width}:{k}" for width, k in self.levels)
        return (
            f"{self.n_units} units; levels {levels}; batch {self.batch_size}; "
            f"{self.n_instances} instances; {self.loss}"
        )


def scaled_work(n_latents: int, **others) -> Work:
    """Return work of ``n_latents`` in the standard proportions of three levels."""
    widths = n_latents // 8, n_latents // 2, n_latents
    return Work(levels=tuple(zip(widths, (8, 16, 32), strict=True)), **others)


def compare_peers(
    works: Sequence[Work],
    peers_python: Path | None,
    driver: Path,
    *,
    n_threads: int = 2,
    n_bins: int = 50_000,
    rounds: int = 7,
    peers: Sequence[str] = PEERS,
    peer_steps: int = 4,
) -> pd.DataFrame:
    """Return a row for each work and peer: seconds a step of all instances, and ratios.

    ``ratio`` is of medians, ``ratio_of_minima`` of the fastest turns. Peers that are absent (all,
    without ``peers_python``) have no numbers, and ``note`` says why. All train on the same counts;
    ``peer_steps`` make a turn, or as many as ``PEER_STEPS`` says.
    """
    tables, steps = [], dict.fromkeys(peers, peer_steps) | PEER_STEPS | {OURS: OUR_STEPS}
    for work in works:
        with contextlib.ExitStack() as stack:
            counts = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "counts.npy"
            np.save(counts, benchmark_counts(n_bins, work.n_units))
            contenders = {OURS: stack.enter_context(our_turns(work, n_threads, n_bins))}
            notes = {}
            for peer in peers:
                try:
                    about = {"n_threads": n_threads, "n_steps": steps[peer], "counts": str(counts)}
                    turn = peer_turns(peer, work._asdict() | about, peers_python, driver)
                    contenders[peer] = stack.enter_context(turn)
                except InputError as error:
                    notes[peer] = str(error)
            seconds = time_turns(contenders, rounds)
        taken = {name: np.array(turns) / steps[name] for name, turns in seconds.items()}
        tables.append(_rows(work, taken, peers, notes))
    return pd.concat(tables, ignore_index=True)


def _rows(work: Work, taken: dict, peers: Sequence[str], notes: dict[str, str]) -> pd.DataFrame:
    ours = taken[OURS]
    rows = []
    for peer in peers:
        other = taken.get(peer, np.array([np.nan]))
        rows.append(
            {
                "size": work.size,
                "ours": OURS,
                "ours_s": np.median(ours),
                "ours_min_s": ours.min(),
                "other": peer,
                "other_s": np.median(other),
                "other_min_s": other.min(),
                "ratio": np.median(other) / np.median(ours),
                "ratio_of_minima": other.min() / ours.min(),
                "note": notes.get(peer, ""),
            }
        )
    digits = {"ratio": 1, "ratio_of_minima": 1}
    digits |= {f"{who}{which}_s": 5 for who in ("ours", "other") for which in ("", "_min")}
    return pd.DataFrame(rows).round(digits)


#: What grows -> how far -> the work.
GROWTH = {
    "units": {n: Work(n_units=n) for n in (50, 100, 200, 400, 800)},
    "latents": {n: scaled_work(n) for n in (128, 256, 512, 1024, 2048, 4096, 8192)},
    "batch": {n: Work(batch_size=n) for n in (256, 512, 1024, 2048, 4096)},
}


def measure_growth(
    works: Mapping[str, Mapping[int, Work]] = GROWTH,
    *,
    n_threads: int = 2,
    n_bins: int = 20_000,
    rounds: int = 5,
) -> pd.DataFrame:
    """Return seconds a step of ours, ``step_s`` and ``step_min_s``, as one ``axis`` grows."""
    tables = []
    for axis, points in works.items():
        with contextlib.ExitStack() as stack:
            turns = {
                str(n): stack.enter_context(our_turns(work, n_threads, n_bins))
                for n, work in points.items()
            }
            taken = np.array(list(time_turns(turns, rounds).values())) / OUR_STEPS
        medians, minima = np.median(taken, axis=1).round(5), taken.min(axis=1).round(5)
        columns = {"value": list(points), "step_s": medians, "step_min_s": minima}
        tables.append(pd.DataFrame({"axis": axis, **columns}))
    return pd.concat(tables, ignore_index=True)


@contextlib.contextmanager
def our_turns(work: Work, n_threads: int, n_bins: int) -> Iterator[Callable[[], None]]:
    """Yield what lets a training, otherwise waiting, do ``OUR_STEPS`` steps of all instances."""
    n_latents, k = work.levels[-1]
    levels = [list(level) for level in work.levels]
    chosen = {"loss": work.loss, "batch_size": work.batch_size, "n_steps": 2000}
    if work.loss == "msle":
        chosen |= {"output_activation": "relu", "normalisation": "max_unit"}
    s = make_settings(levels=levels, n_latents=n_latents, k=k, **chosen)
    counts = benchmark_counts(n_bins, work.n_units)
    *scalings, start = fit_scalings(counts, counts, s)
    device = torch.device("cpu")
    data = make_data(counts, counts, np.arange(n_bins), tuple(scalings), s, device)
    gate = threading.Barrier(work.n_instances + 1)

    def keep(state: training.State) -> None:
        gate.wait()  # a turn is over
        gate.wait()  # the next one begins

    def run(seed: int) -> None:
        torch.set_num_threads(max(1, n_threads // work.n_instances))
        state = training.first_state(s, [seed], work.n_units, start, device)
        with contextlib.suppress(threading.BrokenBarrierError):
            training.train(state, data, s, [seed], keep=keep)

    def turn() -> None:
        gate.wait()
        gate.wait()

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(work.n_instances)]
    for thread in threads:
        thread.start()
    gate.wait()
    try:
        yield turn
    finally:
        gate.abort()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def peer_turns(
    peer: str, work: dict, python: Path | None, driver: Path
) -> Iterator[Callable[[], None]]:
    """Yield what makes another package do ``n_steps`` of ``work`` with all instances.

    Raises
    ------
    InputError
        There is no such Python, or no such package in it.
    """
    if python is None:
        raise InputError("absent", fix="give --peers-python")
    command = [str(python), str(driver), peer, json.dumps(work)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as child:  # noqa: S603 - our own driver

        def turn() -> None:
            child.stdin.write("go\n")
            child.stdin.flush()
            if child.stdout.readline() != "done\n":
                raise InputError(f"{peer} ended before its turn did")

        if child.stdout.readline() != "ready\n":
            raise InputError("absent, or fails in that Python (see the log)")
        try:
            yield turn
        finally:
            child.kill()


def benchmark_counts(n_bins: int, n_units: int) -> UInt8[np.ndarray, "bin unit"]:
    """Return counts with structure: a hundred sparse patterns above a noisy base, Poisson."""
    rng = np.random.default_rng(0)
    active = (rng.random((n_bins, 100)) < 0.05) * rng.gamma(4, 0.25, (n_bins, 100))
    patterns = (rng.random((100, n_units)) < 0.06) * rng.gamma(2, 0.5, (100, n_units))
    rates = 0.5 * rng.gamma(2, 0.5, n_units) + active @ patterns
    return rng.poisson(rates).clip(0, 255).astype(np.uint8)
