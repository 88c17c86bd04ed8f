"""Recompute the metrics of every unit and decide which units to keep."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from spikesieve.recording import read_recording_json, read_table, write_table
from spikesieve.spikes import read_spike_trains
from spikesieve.units import binned_unit_metrics, drop_table, filter_units, unit_metrics

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an ingested recording.")],
    settings: Annotated[str, typer.Option(help="The units section of the configuration, as JSON.")],
) -> None:
    """Read the folder's tables and write units.parquet into it."""
    options = json.loads(settings)
    recording = read_recording_json(folder / "recording.json")
    units = read_table(folder / "sorted_units.parquet", "sorted_units")
    has_spikes = recording["source"] != "counts"
    if has_spikes:
        metrics = unit_metrics(
            read_spike_trains(folder / "spikes.parquet", units["unit_id"].to_numpy()),
            duration_s=recording["duration_s"],
            isi_threshold_ms=options["isi_threshold_ms"],
        )
    else:
        print("No spike times, only counts: ISI violations are unknown and not filtered on.")
        binned = read_table(folder / "binned.parquet", "binned")
        counts = binned[units["unit_id"].astype(str)].to_numpy()
        metrics = binned_unit_metrics(counts, duration_s=recording["duration_s"])
    units = filter_units(
        units.assign(**metrics),
        options,
        recording=recording["recording"],
        path=folder / "sorted_units.parquet",
        has_spikes=has_spikes,
    )
    write_table(folder / "units.parquet", "units", units)
    print(f"Kept {np.sum(units['kept'])} of {len(units)} units.")
    print(drop_table(units).to_string(index=False))


if __name__ == "__main__":
    app()
