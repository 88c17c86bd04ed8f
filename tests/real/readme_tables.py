"""Print the README's tables of real comparisons: python readme_tables.py RESULTS.

RESULTS is the folder of a run of ``make_config.py DATA --compare``.
"""

import sys
from pathlib import Path

import pandas as pd

from spikesieve.figures.methods import pretty

#: (recording, variable) -> how a column is headed.
SHOWN = {
    ("allen_gabor_732592105", "position"): "gabor position, 1",
    ("allen_gabor_742951821", "position"): "gabor position, 2",
    ("allen_gabor_732592105", "coarse_position"): "coarse, 1",
    ("allen_gabor_742951821", "coarse_position"): "coarse, 2",
    ("hc11_buddy", "position_0"): "rat's position",
    ("chicken_retina", "led_530nm"): "LED 530 nm",
    ("allen_layout", "frame"): "images",
    ("allen_layout", "orientation"): "gratings",
    ("allen_layout", "running_speed"): "running",
    ("planted", "orientation"): "planted gratings",
    ("planted", "running_speed"): "planted running",
}
OURS, RAW = "default", "raw"


def load(results: Path) -> pd.DataFrame:
    """Return the comparisons of all recordings in one table."""
    paths = sorted((results / "comparison").glob("*.csv"))
    return pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)


def markdown(table: pd.DataFrame) -> str:
    """Return a table of text as Markdown, its index first."""
    lines = [["", *table.columns], ["---"] * (len(table.columns) + 1)]
    lines += [[name, *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def number(value: float) -> str:
    """Return a score as the README writes it."""
    if pd.isna(value):
        return ""
    text = f"{value:.2f}".replace("0.", ".") if abs(value) < 10 else f"{value:.0e}"
    return text.replace("-.00", ".00")


def scores(every: pd.DataFrame, column: str, chance: str) -> pd.DataFrame:
    """Return a row a method, and chance, and a column a shown variable."""
    columns = {}
    for (recording, variable), head in SHOWN.items():
        some = every[(every["recording"] == recording) & (every["variable"] == variable)]
        if some.empty or some[column].isna().all():
            continue
        values = some.set_index("model")[column]
        columns[head] = pd.concat([values, pd.Series({"chance": some[chance].max()})]).map(number)
    table = pd.DataFrame(columns).fillna("")
    return table.rename(index=pretty)


def differences(every: pd.DataFrame) -> pd.DataFrame:
    """Return, a row a variable, how our model differs from raw counts and from the best other."""
    rows = []
    for (recording, variable), some in every.groupby(["recording", "variable"], sort=False):
        by = some.set_index("model")
        if OURS not in by.index:
            continue
        row = {"recording": recording, "variable": variable}
        for kind, column in (("single", "single_auroc"), ("decoded", "decoded")):
            others = by[by["method"] != "sae"]
            ends = [by.loc[OURS, f"{kind}_than_raw{e}"] for e in ("", "_low", "_high")]
            row[f"{kind} ours"] = number(by.loc[OURS, column])
            row[f"{kind} raw"] = number(by.loc[RAW, column])
            row[f"{kind} ours - raw"] = "{} [{}, {}]".format(*map(number, ends))
            if others[column].notna().any():
                best = others[column].idxmax()
                ends = [-by.loc[best, f"{kind}_than_ours{e}"] for e in ("", "_high", "_low")]
                said = "{} [{}, {}]".format(*map(number, ends))
                row[f"{kind} ours - best"] = (
                    f"{pretty(best)} {number(others[column].max())}: {said}"
                )
        rows.append(row)
    return pd.DataFrame(rows).set_index("recording")


def costs(every: pd.DataFrame) -> pd.DataFrame:
    """Return seconds and stability of each method, a column a recording."""
    once = every.drop_duplicates(["recording", "model"])
    cells = once.assign(
        cell=once["seconds"].map("{:.0f} s".format)
        + ", "
        + once["stability"].map(number)
        + ", "
        + once["n_named"].map("{:.0f}".format)
        + " of "
        + once["n_active"].map("{:.0f}".format)
    )
    table = cells.pivot_table(
        index="model", columns="recording", values="cell", aggfunc="first", sort=False
    )
    return table.fillna("").rename(index=pretty)


if __name__ == "__main__":
    found = load(Path(sys.argv[1]))
    for title, table in (
        ("Single latents", scores(found, "single_auroc", "single_chance")),
        ("All latents", scores(found, "decoded", "decoded_chance")),
        ("Differences", differences(found)),
        ("Time, stability, names of active", costs(found)),
    ):
        print(f"\n{title}\n\n{markdown(table)}")
    ours = found[found["model"] == OURS].drop_duplicates("recording")
    for recording, best in zip(ours["recording"], ours["best_features"], strict=True):
        print(f"\n{recording}: {best}")
