"""Windows shared out among threads. No window knows of its neighbours, so results are the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba

#: Fewer windows than this are not worth a thread of their own.
LEAST = 64


def over_windows(run: Callable[[slice], None], n_windows: int, n_threads: int | None) -> None:
    """Call ``run`` with slices that cover all windows, side by side where there are many.

    Threads of Python rather than OpenMP's: the compiled code releases the lock, and a process
    that forks afterwards (workers that load data) is safe.
    """
    most = numba.config.NUMBA_NUM_THREADS if n_threads is None else n_threads
    n = max(1, min(most, n_windows // LEAST))
    if n == 1:
        run(slice(0, n_windows))
        return
    # More slices than threads: windows with many spikes take longer.
    n_slices = min(4 * n, n_windows // LEAST)
    edges = [n_windows * i // n_slices for i in range(n_slices + 1)]
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(run, map(slice, edges[:-1], edges[1:])))
