"""Train all instances of a model: together on a GPU, a thread for each on CPUs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from spikesieve.keeping import keeper
from spikesieve.sae.architectures import Parameters
from spikesieve.sae.inputs import Data
from spikesieve.sae.settings import Settings
from spikesieve.sae.states import fingerprint, restored, save_state
from spikesieve.sae.training import TrainingError, calibrate, first_state, history, train

Result = TypeVar("Result")


class Trained(NamedTuple):
    """The outcome: weights, the values below which codes are zero, and how it went."""

    parameters: Parameters
    thresholds: Float[Tensor, "instance level"]
    histories: list[pd.DataFrame]


def train_instances(
    data: Data,
    start: Float[Tensor, "output"],
    s: Settings,
    seeds: list[int],
    *,
    validation: Data | None = None,
    states: Path | None = None,
    keep_every_s: float = 600.0,
    log: Callable[[int, dict], None] = lambda instance, row: None,
) -> Trained:
    """Train an instance for each seed; each is what it would be alone.

    Thresholds are read from the validation block where there is one: a budget kept on bins that
    a dictionary has seen is overdrawn on new ones.

    Parameters
    ----------
    start : where outputs start. ``states`` : folder for states to go on from after a
        cut-off; one is kept every ``keep_every_s`` seconds, all are deleted at the end.
    log : called with each row of history and the number of its instance.

    Raises
    ------
    TrainingError
        A loss became NaN. Its ``last_good`` is a ``Trained``: of the instances that failed, what
        they were when all was finite; of the others, the outcome.
    """
    n_inputs = data.counts.shape[1] * (s.seq_len if s.window == "full" else 1)
    start = start.repeat(len(s.reconstruct))
    device = data.counts.device
    on_cpu = device.type == "cpu"
    groups = [[seed] for seed in seeds] if on_cpu else [seeds]
    paths = [states and states / f"seed{group[0]}.safetensors" for group in groups]

    def one(number: int) -> tuple[Trained | None, TrainingError | None]:
        group, path = groups[number], paths[number]
        belongs_to = fingerprint(data, validation, s, group) if path else ""
        tied = data.targets is data.counts
        state = first_state(s, group, n_inputs, start, device, tied=tied)
        if path:
            state = restored(path, state, belongs_to)
        keep = keeper(path, keep_every_s, partial(save_state, belongs_to=belongs_to))
        first, failure = number if on_cpu else 0, None
        try:
            state = train(
                state,
                data,
                s,
                group,
                validation=validation,
                keep=keep,
                log=lambda instance, row: log(first + instance, row),
            )
        except TrainingError as error:
            state, failure = error.last_good, error
            if state is None:
                return None, failure
        thresholds = calibrate(state.parameters, validation or data, s)
        return Trained(state.parameters, thresholds, history(state)), failure

    results, failures = zip(*in_threads(one, len(groups)), strict=True)
    trained = None if None in results else _together(results)
    for failure in filter(None, failures):
        failure.last_good = trained
        raise failure
    for path in paths:
        if path:
            path.unlink(missing_ok=True)
    return trained


def _together(results: Sequence[Trained]) -> Trained:
    return Trained(
        {name: torch.cat([r.parameters[name] for r in results]) for name in results[0].parameters},
        torch.cat([r.thresholds for r in results]),
        [h for r in results for h in r.histories],
    )


def in_threads(
    one: Callable[[int], Result], n: int, *, cores_each: int | None = None
) -> list[Result]:
    """Return ``[one(0), one(1), ...]``. Each thread computes on its share of the cores, or on
    ``cores_each``: several small matrix products side by side are faster than each on all cores."""
    if not n or (n == 1 and cores_each is None):
        return [one(i) for i in range(n)]
    cores = torch.get_num_threads()
    workers = min(n, cores)

    def limited(number: int) -> Result:
        torch.set_num_threads(cores_each or max(1, cores // workers))
        return one(number)

    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(limited, range(n)))
    finally:
        torch.set_num_threads(cores)
