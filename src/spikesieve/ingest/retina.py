"""The ``retina`` source: the archive of the spike-distance paper.

Doran, Seifert, Yovanovich, Baden (ICML 2024): chicken ganglion cells under full-field binary noise
of four LEDs, redrawn about every 50 ms at irregular trigger times. Data: Seifert et al. 2023.
"""

import io
from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int, Num

from spikesieve.errors import InputError
from spikesieve.files import check_sha256
from spikesieve.ingest.archives import Archive, read_archive
from spikesieve.ingest.pickles import load_pickle
from spikesieve.ingest.writing import Source, long_signal
from spikesieve.spikes import check_train, merge_trains

ALL_CELLS, USED_CELLS = "spike_response_allcells.pickle", "spike_response.pickle"
STIMULUS, PATTERN = "recorded_stimulus.pickle", "stimulus_pattern.npy"

#: Colours of the columns of the pattern.
LEDS = ("led_630nm", "led_530nm", "led_480nm", "led_420nm")

#: The electrode array's rate; the archive holds it rounded to 5 decimals.
ELECTRODE_HZ = 17852.767845719834


class Stimulus(NamedTuple):
    """What was shown when. Samples count from the first trigger; one row of ``pattern`` a
    trigger but the last, which ends the stimulus.
    """

    name: str
    recording_name: str
    first_frame: int
    n_samples: int
    sampling_rate_hz: float
    trigger: Int[np.ndarray, "frames_plus_one"]
    pattern: Num[np.ndarray, "frame led"]


def read_retina(
    path: str | PathLike, *, recording: str, subject: str | None = None, sha256: str | None = None
) -> Source:
    """Read the paper's tar.gz: all its cells, the LEDs as step functions, the noise interval.

    Time 0 is the first trigger: the archive counts spikes and triggers from there, and holds
    nothing from before the stimulus. (With that origin, spike-triggered averages of the cells tried
    agree with the archive's own kernels at r > 0.98; shifted by a frame, r is at most 0.5.) The
    end is ``End_Fr``.

    Raises
    ------
    InputError
        Wrong checksum; an unsafe, truncated or incomplete archive; a pickle with a class off the
        allow-list; more than one stimulus or recording; triggers or spikes that make no sense.
    """
    about = {"recording": recording, "path": path}
    check_sha256(path, sha256, recording)
    archive = read_archive(path, {ALL_CELLS, USED_CELLS, STIMULUS, PATTERN}, recording=recording)
    stimulus = _read_stimulus(archive, about)
    cells, used, notes = _read_cells(archive, stimulus, about)
    duration_s = stimulus.n_samples / stimulus.sampling_rate_hz
    trains = [
        check_train(
            samples / stimulus.sampling_rate_hz,
            unit_id=unit_id,
            duration_s=duration_s,
            recording=recording,
            source=path,
        )
        for unit_id, samples in cells.items()
    ]
    unit_ids = np.array(list(cells))
    units = pd.DataFrame(
        {"unit_id": unit_ids, "quality": "good", "region": "retina", "probe": None}
        | {"depth_um": np.nan}
        | ({} if used is None else {"used_in_paper": np.isin(unit_ids, list(used))})
    )
    return Source(
        recording=recording,
        source="retina",
        path=path,
        duration_s=duration_s,
        sampling_rate_hz=stimulus.sampling_rate_hz,
        subject=subject,
        units=units,
        intervals=_intervals(stimulus),
        signals=_signals(stimulus, duration_s),
        inputs=[path],
        notes=[*_notes(stimulus, duration_s), *notes],
        spikes=merge_trains(lambda: trains, unit_ids, duration_s),
    )


def _read_stimulus(archive: Archive, about: dict) -> Stimulus:
    table = _frame(archive, STIMULUS, about)
    wanted = ["Stimulus_name", "Begin_Fr", "End_Fr", "Trigger_Fr_relative", "Sampling_Freq"]
    _require(table, wanted, STIMULUS, about)
    if len(table) != 1:
        raise InputError(
            f"{STIMULUS} holds {len(table)} stimuli: {[str(i) for i in table.index]}",
            **about,
            allowed="one recording with one stimulus",
            fix="make one archive a recording and stimulus",
        )
    row = table.iloc[0]
    rate = float(row["Sampling_Freq"])
    if abs(rate - ELECTRODE_HZ) < 1e-5:
        rate = ELECTRODE_HZ
    trigger = _samples(row["Trigger_Fr_relative"], "triggers", about)
    n_samples = int(row["End_Fr"]) - int(row["Begin_Fr"])
    pattern = _read_pattern(archive, about)
    if len(trigger) < 2 or trigger[0] != 0 or (np.diff(trigger) <= 0).any():
        raise InputError(
            f"{STIMULUS}: triggers {trigger[:3]}...", **about, allowed="0 first, then ascending"
        )
    if not (rate > 0 and trigger[-1] <= n_samples):
        raise InputError(
            f"{STIMULUS}: {rate} Hz, {n_samples} samples, last trigger at {trigger[-1]}",
            **about,
            allowed="a positive rate, and triggers up to End_Fr - Begin_Fr",
        )
    if len(trigger) - 1 > len(pattern):
        raise InputError(f"{len(trigger)} triggers, but {len(pattern)} rows in {PATTERN}", **about)
    names = dict(zip(table.index.names, np.atleast_1d(table.index[0]), strict=True))
    return Stimulus(
        name=str(row["Stimulus_name"]),
        recording_name=str(names.get("Recording", "")),
        first_frame=int(row["Begin_Fr"]),
        n_samples=n_samples,
        sampling_rate_hz=rate,
        trigger=trigger,
        pattern=pattern[: len(trigger) - 1],
    )


def _read_pattern(archive: Archive, about: dict) -> Num[np.ndarray, "frame led"]:
    content = _content(archive, PATTERN, about)
    try:
        pattern = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python: anything may come out
        raise InputError(f"{PATTERN} is no readable array ({error})", **about) from error
    if pattern.ndim != 2 or pattern.shape[1] != len(LEDS) or pattern.dtype.kind not in "iufb":
        raise InputError(
            f"{PATTERN} is {pattern.dtype} of shape {pattern.shape}",
            **about,
            allowed=f"numbers, one column for each of {', '.join(LEDS)}",
        )
    return pattern


def _read_cells(
    archive: Archive, stimulus: Stimulus, about: dict
) -> tuple[dict[int, Int[np.ndarray, "spike"]], set[int] | None, list[str]]:
    """Return the spikes of each cell in samples, the ids that the paper used, and notes."""
    notes, tables = [], {}
    for name in (ALL_CELLS, USED_CELLS):
        if name in archive.contents:
            tables[name] = _spikes_of(_frame(archive, name, about), name, stimulus, about)
        else:
            notes.append(f"The archive lacks {name}: read without it.")
    if not tables:
        _content(archive, ALL_CELLS, about)
    used = set(tables[USED_CELLS]) if USED_CELLS in tables else None
    cells = tables[ALL_CELLS] if ALL_CELLS in tables else tables[USED_CELLS]
    if unknown := (used or set()) - set(cells):
        raise InputError(
            f"{USED_CELLS} has cells {sorted(unknown)} that {ALL_CELLS} lacks", **about
        )
    notes.append(
        f"{len(cells)} cells, {len(used or ())} of them in {USED_CELLS} (column used_in_paper). "
        "The archive has no quality labels: its cells are those that its authors kept, so all "
        "count as 'good'. Its response kernels are left out; they follow from spikes and stimulus."
    )
    return dict(sorted(cells.items())), used, notes


def _spikes_of(
    table: pd.DataFrame, name: str, stimulus: Stimulus, about: dict
) -> dict[int, Int[np.ndarray, "spike"]]:
    _require(table, ["Spikes"], name, about)
    levels = table.index.names
    if "Cell index" not in levels:
        raise InputError(f"{name} has index levels {list(levels)}, not 'Cell index'", **about)
    for level in {"Recording", "Stimulus ID"} & set(levels):
        found = table.index.get_level_values(level).unique()
        if len(found) > 1 or (level == "Recording" and found[0] != stimulus.recording_name):
            raise InputError(
                f"{name} holds {level} {list(found)}",
                **about,
                allowed=f"one, that of {STIMULUS} ({stimulus.recording_name!r})",
                fix="make one archive a recording and stimulus",
            )
    ids = table.index.get_level_values("Cell index")
    if ids.has_duplicates:
        raise InputError(f"{name}: cell {ids[ids.duplicated()][0]} stands twice", **about)
    return {
        int(i): _samples(spikes, f"{name}, cell {i}: spikes", about)
        for i, spikes in zip(ids, table["Spikes"], strict=True)
    }


def _samples(values, what: str, about: dict) -> Int[np.ndarray, "sample"]:
    """Return sample numbers as int64; where they are masked, only the unmasked ones."""
    values = np.ma.compressed(values)
    if values.dtype.kind not in "iu":
        raise InputError(f"{what} are {values.dtype}, not sample numbers", **about)
    return values.astype(np.int64)


def _frame(archive: Archive, name: str, about: dict) -> pd.DataFrame:
    inside = f"{about['path']}: {name}"
    content = _content(archive, name, about)
    table = load_pickle(content, recording=about["recording"], path=inside)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{name} holds a {type(table).__name__}, not a pandas table", **about)
    return table


def _content(archive: Archive, name: str, about: dict) -> bytes:
    if name not in archive.contents:
        raise InputError(
            f"the archive lacks {name}; it holds {sorted(archive.names)}",
            **about,
            fix="use the archive of the spike-distance paper (config/retina.yaml has its address)",
        )
    return archive.contents[name]


def _require(table: pd.DataFrame, columns: list[str], name: str, about: dict) -> None:
    if missing := [c for c in columns if c not in table]:
        raise InputError(f"{name} lacks columns {missing}; it has {list(table)}", **about)


def _intervals(stimulus: Stimulus) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start_s": [0.0],
            "stop_s": [stimulus.trigger[-1] / stimulus.sampling_rate_hz],
            "name": [stimulus.name],
            "n_frames": [len(stimulus.pattern)],
            "source_start_sample": [stimulus.first_frame],
        }
    )


def _signals(stimulus: Stimulus, duration_s: float) -> pd.DataFrame:
    """Return a row for each change of an LED; NaN from the last trigger on, if time goes on."""
    time_s = stimulus.trigger / stimulus.sampling_rate_hz
    parts = []
    for led, value in zip(LEDS, stimulus.pattern.T, strict=True):
        change = np.flatnonzero(np.diff(value.astype(np.float64), prepend=np.nan) != 0)
        parts.append(long_signal(led, time_s[change], value[change]))
        if time_s[-1] < duration_s:
            parts.append(long_signal(led, time_s[-1:], [np.nan]))
    return pd.concat(parts, ignore_index=True)


def _notes(stimulus: Stimulus, duration_s: float) -> list[str]:
    interval_ms = np.diff(stimulus.trigger) / stimulus.sampling_rate_hz * 1000
    return [
        f"The archive calls this recording {stimulus.recording_name!r}. Time 0 is its first "
        f"stimulus trigger (sample {stimulus.first_frame}), from which the archive counts spikes "
        f"and triggers. The end, {duration_s:.4f} s, is End_Fr.",
        f"{len(stimulus.trigger)} triggers, {interval_ms.min():.1f} to {interval_ms.max():.1f} ms "
        f"apart: LEDs change at these times and hold in between. The last trigger ends the "
        f"stimulus: how long its frame stood is not recorded.",
        f"Sampling rate {stimulus.sampling_rate_hz!r} Hz"
        + (" (the archive has it rounded)." if stimulus.sampling_rate_hz == ELECTRODE_HZ else "."),
    ]
