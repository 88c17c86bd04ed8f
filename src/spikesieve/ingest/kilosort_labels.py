"""The tables that Kilosort and Phy write beside the spikes: ``cluster_*.tsv`` and ``.csv``.

Each may list only some of the clusters, or be missing. They are joined so that no row and no
column is lost (SpikeInterface's inner join keeps only the clusters that stand in all of them).
"""

import warnings
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from spikesieve.errors import InputError
from spikesieve.recording import QUALITIES

#: Columns that label a unit, the stronger last: the sorter's word, then the curator's.
LABEL_COLUMNS = ("KSLabel", "group")
_ID_COLUMNS = ("cluster_id", "id")


class ClusterTables(NamedTuple):
    """All tables joined: a row a cluster, indexed by its id; the files read; notes."""

    frame: pd.DataFrame
    files: list[Path]
    notes: list[str]


def read_cluster_tables(folder: str | PathLike, *, recording: str) -> ClusterTables:
    """Return all ``cluster_*`` tables of ``folder`` in one, a row for every cluster named.

    Where two tables have a column of the same name, the table named after the column comes
    first and ``cluster_info`` (Phy's summary) last; where they contradict each other, the
    weaker one is kept beside it as ``{column}_in_{file}`` and a note says so.

    Raises
    ------
    InputError
        A table is damaged, has an id twice or one that is no integer, or an unknown label.
    """
    files = sorted(p for kind in ("tsv", "csv") for p in Path(folder).glob(f"cluster_*.{kind}"))
    tables, notes = {}, []
    for file in files:
        frame = _read_table(file, recording)
        if frame.index.name is None:
            notes.append(f"{file.name} has no column cluster_id: ignored")
        else:
            tables[file] = frame
    ids = sorted({i for frame in tables.values() for i in frame.index})
    merged = pd.DataFrame(index=pd.Index(ids, dtype="int64", name="cluster_id"))
    columns = [(file, column) for file, frame in tables.items() for column in frame]
    first = {}
    for file, column in sorted(columns, key=_precedence):
        new = tables[file][column].reindex(ids)
        if column not in merged:
            merged[column], first[column] = new, file.name
            continue
        merged[column], differs = _filled(merged[column], new)
        if differs:
            merged[f"{column}_in_{file.name}"] = new
            notes.append(
                f"{column} of {differs} cluster(s) differs between {first[column]} and "
                f"{file.name}: {first[column]} counts"
            )
    return ClusterTables(merged, list(tables), notes)


def label_clusters(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``quality`` and ``label_source`` of each row of the joined tables.

    The curated ``group`` counts where it is set, else ``KSLabel``; else the quality is
    ``unsorted`` and its source ``none``. A group ``unsorted`` is Phy's word for "not set".
    """
    labels = pd.DataFrame({"quality": "unsorted", "label_source": "none"}, frame.index, dtype="str")
    for column in LABEL_COLUMNS:
        if column in frame:
            said = _plain_labels(frame[column])
            is_set = said.notna() & (said != "unsorted")
            labels.loc[is_set, "quality"] = said[is_set]
            labels.loc[is_set, "label_source"] = column
    return labels


def _precedence(table_column: tuple[Path, str]) -> tuple:
    file, column = table_column
    return file.stem == "cluster_info", file.stem != f"cluster_{column}", file.name


def _filled(old: pd.Series, new: pd.Series) -> tuple[pd.Series, int]:
    """Return ``old`` with its gaps filled from ``new``, and in how many rows they differ."""
    if old.dtype != new.dtype:
        numbers = all(pd.api.types.is_numeric_dtype(s) for s in (old, new))
        old, new = (s.astype("Float64" if numbers else "string") for s in (old, new))
    differs = (old.notna() & new.notna() & (old != new)).fillna(False)
    return old.where(old.notna(), new), int(differs.sum())


def _read_table(file: Path, recording: str) -> pd.DataFrame:
    """Return a table indexed by cluster id; the index has no name where it has no id column."""
    about = {"recording": recording, "path": file}
    try:
        with file.open(encoding="utf-8-sig") as text:
            # Old Phy wrote tabs into a file named .csv, so the header decides.
            separator = "\t" if "\t" in text.readline() else ","
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            frame = pd.read_csv(
                file,
                sep=separator,
                encoding="utf-8-sig",
                dtype=dict.fromkeys((*_ID_COLUMNS, *LABEL_COLUMNS), "string"),
                dtype_backend="numpy_nullable",
                index_col=False,
            )
    except (OSError, ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise InputError(
            f"not a readable table ({error})", **about, fix="correct it, or remove it"
        ) from None
    frame.columns = frame.columns.astype(str).str.strip()
    if (twice := frame.columns.duplicated()).any():
        raise InputError(f"column {frame.columns[twice][0]} stands twice", **about)
    for column in set(LABEL_COLUMNS) & set(frame):
        _check_labels(frame[column], column, about)
    key = next((c for c in _ID_COLUMNS if c in frame), None)
    if key is None and set(LABEL_COLUMNS) & set(frame):
        raise InputError("labels without a column cluster_id", **about, fix="name the id column")
    return frame if key is None else _indexed(frame, key, about)


def _indexed(frame: pd.DataFrame, key: str, about: dict) -> pd.DataFrame:
    text = frame[key].astype("string").fillna("").str.strip()
    bad = ~text.str.fullmatch(r"[0-9]{1,10}(\.0*)?").astype(bool)
    if bad.any():
        raise InputError(
            f"column {key}, row {int(bad.to_numpy().argmax())}: {text[bad].iloc[0]!r}",
            **about,
            allowed="whole numbers from 0 on",
        )
    ids = text.str.replace(r"\..*", "", regex=True).astype("int64")
    if (twice := ids.duplicated()).any():
        raise InputError(
            f"cluster {ids[twice].iloc[0]} stands twice", **about, fix="keep one row of it"
        )
    return frame.drop(columns=key).set_index(pd.Index(ids, dtype="int64", name="cluster_id"))


def _plain_labels(column: pd.Series) -> pd.Series:
    label = column.astype("string").str.strip().str.lower()
    return label.mask(label == "")


def _check_labels(column: pd.Series, name: str, about: dict) -> None:
    if unknown := sorted(set(_plain_labels(column).dropna()) - set(QUALITIES)):
        raise InputError(
            f"column {name} has the labels {unknown[:10]}",
            **about,
            allowed=", ".join(QUALITIES),
            fix="rename them, or empty the cells",
        )
