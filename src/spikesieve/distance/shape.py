"""Lengths of a window."""

from typing import NamedTuple


class Shape(NamedTuple):
    """Lengths of a window, in bins; ``counts`` are the spans that spikes are counted over."""

    n_in: int = 992
    prefix: int = 32
    future: int = 96
    counts: tuple[int, ...] = (5, 10, 20, 40, 80, 160)
    max_distance: int = 198

    @property
    def n_out(self) -> int:
        """Bins that a distance is predicted for."""
        return self.prefix + self.future

    @property
    def reach(self) -> int:
        """Bins from now on that a window needs."""
        return max(self.future, *self.counts)
