"""Training a spike-distance network on one recording or several: batches, steps, the best network.

Nothing random has a state: the windows of an epoch, the units of a step and the noise of their
embeddings follow from the seed and a number. So a training that goes on from a kept state is the
one that was cut off, bit for bit.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from tqdm import tqdm

from spikesieve.distance.bins import Bins
from spikesieve.distance.heads import HEADS, losses, total
from spikesieve.distance.networks import make_network
from spikesieve.distance.settings import Settings
from spikesieve.distance.windows import Batch, Recorded, gather, on_device, window_starts
from spikesieve.errors import InputError, SpikesieveError

#: Validation windows that are scored at a look, spread evenly over all there are.
VALIDATION_WINDOWS = 256
#: Windows x units that go through a network at once where nothing is learnt.
CELLS_AT_ONCE = 2048
#: Learning rate of embeddings over that of all else: they start at nearly the same place, and few
#: batches hold a unit.
EMBEDDING_HURRY = 4.0
#: Length that a step's gradient is cut to.
LARGEST_GRADIENT = 1.0
#: Bin widths that may be trained on together differ by this share at most.
BIN_TOLERANCE = 0.05
_EPOCH, _UNITS, _NOISE = 1, 2, 3


class TrainingError(SpikesieveError, ArithmeticError):
    """Training stopped because its loss is no number any more."""


class Population(NamedTuple):
    """The recordings of a training; their units are numbered through."""

    bins: list[Bins]
    recorded: list[Recorded]
    first_unit: list[int]

    @property
    def n_units(self) -> int:
        """Units of all recordings."""
        return self.first_unit[-1]

    def units(self, number: int) -> Int64[Tensor, "unit"]:
        """Return the numbers of the units of one recording."""
        first, last = self.first_unit[number : number + 2]
        return torch.arange(first, last, device=self.recorded[number].spikes.device)


class State(NamedTuple):
    """A training between two steps: all that going on needs."""

    step: int
    network: nn.Module
    optimiser: torch.optim.AdamW
    best: dict[str, Tensor]
    best_loss: float
    rows: list[dict]
    wall_s: float


def population_of(bins: list[Bins], device: torch.device) -> Population:
    """Put recordings together.

    Raises
    ------
    InputError
        Their stimuli have other channels, or their bins another width.
    """
    first = bins[0]
    for other in bins[1:]:
        if other.channels != first.channels:
            raise InputError(
                f"its stimulus has channels {list(other.channels)}, that of "
                f"{first.recording!r} has {list(first.channels)}",
                recording=other.recording,
                fix="name common signals in distance.stimulus, or train on each alone",
            )
        if abs(other.bin_s / first.bin_s - 1) > BIN_TOLERANCE:
            raise InputError(
                f"bins of {other.bin_s * 1000:.4g} ms, but {first.bin_s * 1000:.4g} ms in "
                f"{first.recording!r}",
                recording=other.recording,
                fix="train on each alone",
            )
    first_unit = np.cumsum([0, *(len(b.unit_ids) for b in bins)]).tolist()
    return Population(bins, [on_device(b, device) for b in bins], first_unit)


def with_steps(s: Settings, population: Population) -> Settings:
    """Return settings whose ``n_steps`` is known: as many as ``epochs`` need.

    Raises ``InputError`` where no training block is as long as a window.
    """
    if s.n_steps is not None:
        return s
    starts = [window_starts(b, "train", s.shape, stride=1) for b in population.bins]
    return s._replace(n_steps=max(1, round(s.epochs * _batches_of_epoch(starts, s))))


def learning_rates(s: Settings) -> Float[np.ndarray, "step"]:
    """Return the rate of each step: one cycle (Smith & Topin 2018, arXiv:1708.07120)."""
    dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=s.learning_rate)
    # The cycle's phases need a few steps; a shorter training takes the start of one.
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        dummy, s.learning_rate, total_steps=max(s.n_steps, 10), cycle_momentum=False
    )
    rates = np.empty(s.n_steps)
    for step in range(s.n_steps):
        rates[step] = cycle.get_last_lr()[0]
        dummy.step()
        if step + 1 < s.n_steps:
            cycle.step()
    return rates


def first_state(s: Settings, population: Population) -> State:
    """Return the state before step 0."""
    rate = np.mean([b.spikes[:, b.split == "train"].mean() for b in population.bins])
    network = make_network(
        s,
        n_channels=len(population.bins[0].channels),
        n_units=population.n_units,
        rate_per_bin=float(rate),
    ).to(population.recorded[0].spikes.device)
    optimiser = torch.optim.AdamW(_groups(network, s), lr=s.learning_rate, betas=(0.9, 0.98))
    return State(0, network, optimiser, {}, float("inf"), [], 0.0)


def _groups(network: nn.Module, s: Settings) -> list[dict]:
    """Return the parameters that decay (matrices), those that don't, and hurrying embeddings."""
    named = [*network.named_parameters()]
    apart = [p for name, p in named if name.startswith("embedding.")]
    rest = [p for name, p in named if not name.startswith("embedding.")]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": s.weight_decay, "hurry": 1.0},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, "hurry": 1.0},
    ]
    if apart:
        groups.append({"params": apart, "weight_decay": 0.0, "hurry": EMBEDDING_HURRY})
    return groups


def train(
    state: State, population: Population, s: Settings, *, keep: Callable[[State], None]
) -> State:
    """Go on from ``state`` to the last step; the result's network is the best on validation.

    ``keep`` is called after each step with the state then.

    Raises
    ------
    TrainingError
        The loss is NaN or infinite.
    InputError
        A split is too short for a window.
    """
    starts = [window_starts(b, "train", s.shape, stride=1) for b in population.bins]
    held_out = validation_windows(population, s)
    rates = learning_rates(s)
    looks = set(np.linspace(0, s.n_steps, s.validations + 1).astype(int)[1:].tolist())
    started = time.monotonic() - state.wall_s
    plan, epoch = [], -1
    bar = tqdm(range(state.step, s.n_steps), "training", disable=None, initial=state.step)
    for step in bar:
        per_epoch = _batches_of_epoch(starts, s)
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            plan = _plan(starts, s, epoch)
        number, now = plan[step % per_epoch]
        for group in state.optimiser.param_groups:
            group["lr"] = rates[step] * group["hurry"]
        row = _step(state, population, s, step, number, now)
        row |= {"step": step + 1, "learning_rate": rates[step]}
        row["wall_s"] = time.monotonic() - started
        state = state._replace(step=step + 1, wall_s=row["wall_s"])
        if step + 1 in looks:
            row |= validation_losses(state.network, population, s, held_out)
            if not np.isfinite(row["validation_loss"]):
                raise TrainingError(f"the validation loss is {row['validation_loss']}", fix=_FIX)
            if row["validation_loss"] < state.best_loss:
                weights = {k: v.detach().clone() for k, v in state.network.state_dict().items()}
                state = state._replace(best=weights, best_loss=row["validation_loss"])
            _tell(bar, row, s)
        if step + 1 in looks or step % 20 == 0:
            state = state._replace(rows=[*state.rows, row])
        keep(state)
    state.network.load_state_dict(state.best)
    return state


def _tell(bar: tqdm, row: dict, s: Settings) -> None:
    """Say how far a training is: in the bar, or as a line of a log that has none."""
    bar.set_postfix(loss=f"{row['loss']:.3f}", held_out=f"{row['validation_loss']:.3f}")
    if bar.disable:
        left_s = row["wall_s"] / row["step"] * (s.n_steps - row["step"])
        print(
            f"step {row['step']:,} of {s.n_steps:,}: loss {row['loss']:.3f}, on validation bins "
            f"{row['validation_loss']:.3f}; about {left_s / 60:.1f} min left",
            flush=True,
        )


_FIX = "take a smaller distance.learning_rate, and look for NaN or huge values in the stimulus"


def history_table(rows: list[dict]) -> pd.DataFrame:
    """Return a training's history: a row a logged step; validation columns where one was scored."""
    return pd.DataFrame(rows).sort_values("step", ignore_index=True)


def _batches_of_epoch(starts: list, s: Settings) -> int:
    """Return the steps of an epoch: the same whatever its offset."""
    return sum(max(1, len(now) // s.stride // s.batch_windows) for now in starts)


def _plan(starts: list, s: Settings, epoch: int) -> list[tuple[int, Int64[np.ndarray, "window"]]]:
    """Return the batches of an epoch, shuffled: windows ``stride`` apart, offset at random."""
    random = np.random.default_rng([s.seed, _EPOCH, epoch])
    batches = []
    for number, now in enumerate(starts):
        chosen = now[int(random.integers(min(s.stride, len(now)))) :: s.stride]
        random.shuffle(chosen := chosen.copy())
        n = max(1, len(now) // s.stride // s.batch_windows)
        batches += [(number, chosen[k::n][: s.batch_windows]) for k in range(n)]
    return [batches[k] for k in random.permutation(len(batches))]


def _step(state, population, s, step, number, now) -> dict[str, float]:
    """Take one step of the optimiser; return what it cost, weight decay and divergence left out."""
    recorded = population.recorded[number]
    device = recorded.spikes.device
    random = np.random.default_rng([s.seed, _UNITS, step])
    n_units = len(recorded.spikes)
    local = np.sort(random.permutation(n_units)[: s.batch_units])
    local = torch.from_numpy(local).to(device)
    units = local + population.first_unit[number]
    batch = gather(recorded, torch.from_numpy(now).to(device), local, s.shape)
    generator = torch.Generator().manual_seed(_seed(s.seed, _NOISE, step))
    noise = torch.randn(len(units), s.embedding, generator=generator).to(device)
    state.network.train()
    with _precision(s, device):
        predicted = state.network(batch.stimulus, batch.history, units, noise)
    found = losses(_float(predicted), batch)
    loss = total(found)
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss of step {step + 1} is {loss.item()}", fix=_FIX)
    embedding = state.network.embedding
    extra = 0.0 if embedding is None else s.divergence * embedding.divergence(units)
    state.optimiser.zero_grad()
    (loss + extra).backward()
    gradient = nn.utils.clip_grad_norm_(state.network.parameters(), LARGEST_GRADIENT)
    state.optimiser.step()
    parts = {f"loss_{name}": value.mean().item() for name, value in found.items()}
    return {"loss": loss.item(), "gradient_norm": gradient.item()} | parts


def validation_windows(population: Population, s: Settings) -> list[Int64[np.ndarray, "window"]]:
    """Return the validation windows of each recording, evenly spread."""
    chosen = []
    for bins in population.bins:
        now = window_starts(bins, "validation", s.shape, stride=s.stride)
        chosen.append(
            now[np.linspace(0, len(now) - 1, min(len(now), VALIDATION_WINDOWS)).astype(int)]
        )
    return chosen


def validation_losses(network, population, s, windows) -> dict[str, float]:
    """Return the mean loss over validation windows and units, of each head and in all."""
    sums: dict[str, list] = {}
    for number, now in enumerate(windows):
        recorded = population.recorded[number]
        local = torch.arange(len(recorded.spikes), device=recorded.spikes.device)
        for batch, predicted in predictions(
            network, recorded, now, local, population.units(number), s
        ):
            for name, value in losses(predicted, batch).items():
                sums.setdefault(name, []).append(value.double().flatten().cpu())
    means = {name: float(torch.cat(values).mean()) for name, values in sums.items()}
    parts = {f"validation_loss_{name}": value for name, value in means.items()}
    return {"validation_loss": sum(HEADS[n] * v for n, v in means.items())} | parts


def predictions(network, recorded: Recorded, now, local, units, s: Settings):
    """Yield batches of windows with what a network says of them, nothing drawn at random."""
    network.eval()
    device = recorded.spikes.device
    at_once = max(1, CELLS_AT_ONCE // len(units))
    for first in range(0, len(now), at_once):
        some = torch.from_numpy(now[first : first + at_once]).to(device)
        batch: Batch = gather(recorded, some, local, s.shape)
        with torch.no_grad(), _precision(s, device):
            predicted = network(batch.stimulus, batch.history, units)
        yield batch, _float(predicted)


def _float(predicted):
    return type(predicted)(*(None if part is None else part.float() for part in predicted))


def _precision(s: Settings, device: torch.device):
    return torch.autocast(device.type, torch.bfloat16, enabled=s.precision == "bfloat16")


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
