"""Schedules of the learning rate, as shares of it."""

import math

from spikesieve.errors import InputError, suggest

SCHEDULES = ("cosine_cycles", "cosine", "constant")

FLOOR = 0.01
CYCLES, AMPLITUDE = 5, 0.1


def learning_rate_share(name: str, step: int, n_steps: int) -> float:
    """Return the share of the learning rate at ``step`` (0 to ``n_steps - 1``), in (0, 1].

    - ``constant``: 1.
    - ``cosine``: rises over the first tenth of the steps (in equal steps from 0, which it leaves
      at once), holds to half of them, then falls as a half cosine, to 1 % of the rate at the last
      step.
    - ``cosine_cycles``: the same, with five cosine cycles of amplitude 0.1 on the fall. They scale
      with what is left of it, and hang below it: so the fall starts at exactly 1, has no jump,
      and is never above 1 nor below the floor of 1 %.

    Defined for any ``n_steps`` from 1; a training of one step has only its last, at the floor.

    Raises
    ------
    InputError
        An unknown name, or a step that is not of this training.
    """
    if name not in SCHEDULES:
        hint = suggest(str(name), list(SCHEDULES))
        raise InputError(f"schedule {name!r}{hint}", allowed=", ".join(SCHEDULES))
    if not 0 <= step < n_steps:
        raise InputError(f"step {step} of {n_steps}", allowed="0 to n_steps - 1")
    if name == "constant":
        return 1.0
    warm = min((step + 1) / max(0.1 * n_steps, 1), 1.0)
    decay = max(2 * (step + 1) / n_steps - 1, 0.0)  # 0 at half of the steps, 1 at the last
    fall = (1 + math.cos(math.pi * decay)) / 2
    if name == "cosine_cycles":
        fall *= 1 - AMPLITUDE * (1 - math.cos(2 * math.pi * CYCLES * decay))
    return warm * (FLOOR + (1 - FLOOR) * fall)
