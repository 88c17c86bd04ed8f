"""The sieve of ``em`` once more, in plain Python: what it should do, word by word, and slowly.

The tests hold the compiled one against this, and the benchmark too.
"""

from collections.abc import Callable, Sequence


def plain_em(
    t: Sequence[float],
    *,
    last_spike: int | None = None,
    prefix: int = 0,
    max_distance: float = 198,
    refractory: int = 0,
    jitter: Sequence[float] | None = None,
    watch: Callable[[list[int], float], None] | None = None,
) -> list[bool]:
    """Return the spikes of one window of linear distances ``t``, from ``prefix`` on.

    ``jitter``: added to the first score of each bin. ``watch``: called after each removal with the
    spikes left in the window and the energy there. Other parameters as ``infer_spikes``.
    """
    n_bins = len(t)
    s = None if last_spike is None else last_spike + prefix
    inside = s is not None and s >= 0
    weight = [1 - 0.7 * k / n_bins for k in range(n_bins)]
    cap = []
    for k in range(n_bins):
        if s is None:
            cap.append(max_distance)
        elif inside:
            cap.append(min(max_distance, _distance(k, s)))
        else:
            cap.append(min(max_distance, k - s + 0.25))

    nodes = [s] if inside else []
    nodes += list(range(prefix, n_bins))
    ends = list(range(n_bins + 100, 3 * n_bins, 20))
    nodes += ends
    score = {n: t[n] + (jitter[n] if jitter is not None else 0.0) for n in range(prefix, n_bins)}
    score |= {n: -i for i, n in enumerate(ends)}

    removed = True
    while removed:
        removed = False
        visits = [n for n in nodes if not (inside and n == s)]
        visits.sort(key=lambda n: score[n], reverse=True)  # stable: equals stay left to right
        for n in visits:
            place = nodes.index(n)
            left = nodes[place - 1] if place > 0 else None
            right = nodes[place + 1] if place + 1 < len(nodes) else None
            lo = 0 if left is None else min((n + left + 1) // 2, n_bins)
            hi = n_bins if right is None else min(1 + (n + right) // 2, n_bins)
            if hi <= lo:
                score[n] = float("-inf")
                continue
            now = after = 0.0
            for k in range(lo, hi):
                error = min(_distance(k, n), cap[k]) - t[k]
                now += weight[k] * (error * error)
                to_left = float("inf") if left is None else k - left
                to_right = float("inf") if right is None else right - k
                error = min(to_left, to_right, cap[k]) - t[k]
                after += weight[k] * (error * error)
            if after < now:
                nodes.remove(n)
                removed = True
                if watch is not None:
                    left = [m for m in nodes if m < n_bins]
                    near = [min([cap[k], *(_distance(k, m) for m in nodes)]) for k in range(n_bins)]
                    watch(left, sum(weight[k] * (near[k] - t[k]) ** 2 for k in range(n_bins)))
            else:
                score[n] = (now - after) / (hi - lo)

    return _keep(nodes, refractory, prefix, n_bins)


def _distance(k: int, n: int) -> float:
    return 0.25 if k == n else abs(k - n)


def _keep(nodes: list[int], refractory: int, prefix: int, n_bins: int) -> list[bool]:
    kept: list[int] = []
    for n in nodes:
        if refractory == 0 or not kept or n - kept[-1] > refractory:
            kept.append(n)
    return [n in kept for n in range(prefix, n_bins)]
