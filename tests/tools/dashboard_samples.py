"""Tables of meaning for the tests of the page of features: small, or as large as they come."""

import numpy as np
import pandas as pd

from spikesieve.pages.dashboard.contents import Firing, Tables
from spikesieve.spikes import SpikeTrains

#: What a label or an area must not do to a page.
HOSTILE = '<script>alert(1)</script><img src=x onerror="window.hacked=1">'
BIN_S = 0.05
VARIABLES = {
    "image": ("class", [f"image {i}" for i in range(11)] + [HOSTILE]),
    "orientation": ("angle", ["0", "30", "60", "90", "120", "150"]),
    "position": ("value", [f"{10 * i} to {10 * i + 10}" for i in range(8)]),
    "place": ("class", [f"{x}, {y}" for x in (-20, 0, 20) for y in (-10, 10)]),
}
#: Bins of one presentation.
_LENGTH = {"image": 10, "orientation": 16, "position": 6, "place": 5}


def sample_tables(
    n_latents=1024,
    n_bins=4800,
    n_units=40,
    *,
    per_bin=8,
    dead=(5,),
    dense=(6,),
    negative=False,
    seed=0,
):
    """Return the tables of a run, and the label of each variable in every bin (-1 for none).

    Latent ``i`` prefers label ``i // 4`` of variable ``i % 4``, wrapped around; latent 0 is the
    parent of latents 1 to 9. ``per_bin``: how many are active in a bin, about.
    """
    rng = np.random.default_rng(seed)
    conditions, codes = _conditions(n_bins, rng)
    ids = np.arange(n_latents)
    names = list(VARIABLES)
    variable = np.array(names, dtype=object)[ids % 4]
    n_labels = np.array([len(VARIABLES[v][1]) for v in variable])
    order = ids // 4 % n_labels
    pairs = zip(variable, order, strict=True)
    label = np.array([VARIABLES[name][1][place] for name, place in pairs], dtype=object)
    latents = _latents(variable, order, codes, per_bin, dead, dense, negative, rng)
    density = np.bincount(latents["latent"], minlength=n_latents) / n_bins
    is_dead, is_dense = density == 0, np.isin(ids, dense)
    auroc = np.where(is_dead, np.nan, 0.5 + 0.49 * rng.beta(2, 2, n_latents))
    named = (auroc > 0.75) & ~is_dense
    summary = pd.DataFrame(
        {
            "latent": ids.astype(np.int32),
            "density": density,
            "mean_active": 1.0 + ids / n_latents,
            "level": pd.array(np.digitize(ids, [n_latents / 4, n_latents / 2]), dtype="Int32"),
            "stability": rng.random(n_latents),
            "n_units": rng.uniform(1, 9, n_latents),
            "kept": ~is_dead,
            "dead": is_dead,
            "dense": is_dense,
            "variable": np.where(is_dead, None, variable),
            "label": np.where(is_dead, None, label),
            "auroc": auroc,
            "chance_auroc": np.where(is_dead, np.nan, 0.55),
            "p_corrected": np.where(named, 0.005, 0.4),
            "named": named,
            "name": [
                f"{v} = {la}" if n else "" for v, la, n in zip(variable, label, named, strict=True)
            ],
        }
    )
    table = Tables(
        summary=summary,
        features=_features(summary),
        tuning=_tuning(ids, order, variable),
        triggered=_triggered(ids, order, variable),
        sources=_sources(ids, n_units, rng),
        coactive=_coactive(ids, rng),
        latents=latents,
        conditions=conditions,
        intervals=_intervals(n_bins),
        split=_splits(n_bins),
    )
    return table, codes


def bare_tables(n_latents=12, n_bins=1200):
    """Return the tables of a recording without stimulus or signal, in which no unit stands out."""
    tables, _ = sample_tables(n_latents, n_bins)
    names = ("features", "tuning", "triggered", "sources", "coactive", "conditions", "intervals")
    unknown = {"variable": None, "label": None, "auroc": np.nan, "named": False, "name": ""}
    return tables._replace(
        summary=tables.summary.assign(**unknown),
        **{name: getattr(tables, name).iloc[:0] for name in names},
    )


def sample_firing(n_units=40, n_bins=4800, *, counts=False, rate_hz=8.0, seed=1):
    """Return spikes of a Poisson population, or its counts."""
    rng = np.random.default_rng(seed)
    unit_ids = np.arange(n_units) + 100
    if counts:
        return Firing(
            unit_ids, counts=rng.poisson(rate_hz * BIN_S, (n_bins, n_units)).astype(np.uint8)
        )
    n = rng.poisson(rate_hz * BIN_S * n_bins, n_units)
    time_s = np.concatenate([np.sort(rng.uniform(0, BIN_S * n_bins, k)) for k in n])
    return Firing(unit_ids, trains=SpikeTrains(time_s, np.concatenate([[0], np.cumsum(n)])))


def _conditions(n_bins, rng):
    parts, codes = [], {}
    for name, (kind, labels) in VARIABLES.items():
        length = _LENGTH[name]
        code = np.repeat(rng.integers(0, len(labels), n_bins // length + 1), length)[:n_bins]
        if kind != "value":  # blocks take turns
            code[np.arange(n_bins) // 600 % 2 == (kind == "class")] = -1
        codes[name] = code
        bins = np.flatnonzero(code >= 0)
        own = code[bins]
        value = np.full(len(bins), np.nan)
        if kind == "angle":
            value = 30.0 * own
        elif kind == "value":
            value = 10.0 * own + 5
        text = np.array(labels, dtype=object)[own]
        parts.append(
            pd.DataFrame(
                {
                    "variable": name,
                    "kind": kind,
                    "bin": bins,
                    "event": bins // length,
                    "value": value,
                    "label": text,
                    "order": own,
                }
            )
        )
    return pd.concat(parts, ignore_index=True), codes


def _latents(variable, order, codes, per_bin, dead, dense, negative, rng):
    n_bins = len(next(iter(codes.values())))
    parts = []
    for latent, (name, wanted) in enumerate(zip(variable, order, strict=True)):
        own = np.flatnonzero(codes[name] == wanted)
        n = max(1, int(per_bin * n_bins / len(variable)))
        bins = np.union1d(rng.choice(own, min(len(own), n)), rng.choice(n_bins, max(1, n // 3)))
        bins = np.arange(n_bins) if latent in dense else bins[:0] if latent in dead else bins
        value = rng.gamma(3, 0.4, len(bins)) + 0.2
        if negative:
            value *= rng.choice([-1, 1], len(bins))
        parts.append(pd.DataFrame({"bin": bins, "latent": np.int32(latent), "activation": value}))
    frame = pd.concat(parts, ignore_index=True).sort_values(["bin", "latent"])
    return frame.astype({"activation": np.float32}).reset_index(drop=True)


def _rows(variable, rows):
    return pd.concat([pd.DataFrame({"variable": variable} | r) for r in rows], ignore_index=True)


def _features(summary):
    best = summary[~summary["dead"]]
    first = pd.DataFrame(
        {
            "chosen_by": "latent",
            "latent": best["latent"],
            "variable": best["variable"],
            "label": best["label"],
            "lag_bins": 1,
            "sign": 1,
            "n_bins": 120,
            "coverage": 0.6,
            "specificity": 0.9,
            "selectivity": 0.8,
            "auroc": best["auroc"],
            "chance_auroc": 0.55,
            "p_corrected": best["p_corrected"],
        }
    )
    second = first.assign(
        variable="position", label="0 to 10", sign=-1, auroc=0.52, p_corrected=1.0
    )
    return pd.concat([first, second[best["variable"].to_numpy() != "position"]], ignore_index=True)


def _tuning(ids, order, variable):
    parts = []
    for name, (kind, labels) in VARIABLES.items():
        latent, place = (x.ravel() for x in np.meshgrid(ids, np.arange(len(labels)), indexing="ij"))
        peak = (variable[latent] == name) * np.exp(-0.5 * (place - order[latent]) ** 2)
        step = {"class": np.nan, "angle": 30.0, "value": 10.0}[kind]
        parts.append(
            pd.DataFrame(
                {
                    "latent": latent.astype(np.int32),
                    "variable": name,
                    "label": np.array(labels, dtype=object)[place],
                    "order": place.astype(np.int32),
                    "value": step * place,
                    "mean": 0.1 + peak,
                    "sem": 0.05 + 0.05 * peak,
                    "n_bins": 90 + place,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _triggered(ids, order, variable):
    lags = np.arange(-10, 21) * BIN_S
    parts = []
    for name, (_, labels) in VARIABLES.items():
        mine = ids[variable == name]
        grid = np.meshgrid(
            mine, np.arange(min(4, len(labels))), np.arange(len(lags)), indexing="ij"
        )
        latent, other, at = (x.ravel() for x in grid)
        place = (order[latent] + other) % len(labels)
        bump = np.exp(-0.5 * ((lags[at] - 0.2) / 0.1) ** 2)
        parts.append(
            pd.DataFrame(
                {
                    "latent": latent.astype(np.int32),
                    "variable": name,
                    "label": np.array(labels, dtype=object)[place],
                    "lag_s": lags[at],
                    "mean": 0.1 + (other == 0) * bump + 0.02 * np.sin(other + at),
                    "sem": 0.04,
                    "n_events": 20 + place,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _sources(ids, n_units, rng):
    latent, unit = (x.ravel() for x in np.meshgrid(ids, np.arange(n_units), indexing="ij"))
    weight = rng.normal(0, 1, len(latent)) ** 3
    regions = np.array(["VISp", "VISl", "LGd", HOSTILE], dtype=object)
    return pd.DataFrame(
        {
            "latent": latent.astype(np.int32),
            "unit_id": unit.astype(np.int32) + 100,
            "weight": weight,
            "ablation": -0.3 * np.abs(weight),
            "region": regions[unit % 4],
            "depth_um": 20.0 * unit,
        }
    )


def _coactive(ids, rng):
    latent = np.repeat(ids, 6)
    other = (latent + np.tile([1, 2, 3, 7, 11, 13], len(ids))) % len(ids)
    frame = pd.DataFrame({"latent": latent, "other": other, "is_parent": False})
    children = pd.DataFrame({"latent": np.arange(1, 10), "other": 0, "is_parent": True})
    frame = pd.concat([children, frame[frame["other"] != 0]], ignore_index=True)
    frame = frame[frame["latent"].isin(ids) & (frame["latent"] != frame["other"])]
    return frame.assign(jaccard=rng.random(len(frame)), r=rng.uniform(-0.2, 1, len(frame)))


def _intervals(n_bins):
    start = np.arange(0, n_bins, 600) * BIN_S
    name = ["gratings", "natural scenes"]
    return pd.DataFrame(
        {
            "start_s": start,
            "stop_s": start + 590 * BIN_S,
            "name": [name[i % 2] for i in range(len(start))],
        }
    )


def _splits(n_bins):
    share = np.arange(n_bins) / n_bins
    split = np.full(n_bins, "train", dtype=object)
    split[share >= 0.7], split[share >= 0.8] = "validation", "test"
    split[(share >= 0.69) & (share < 0.7)] = "gap"
    return split
