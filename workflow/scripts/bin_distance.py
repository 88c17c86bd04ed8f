"""Bin a recording at about a millisecond, with its stimulus: what spike distance learns from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.distance.averages import average_table, spike_triggered_average
from spikesieve.distance.bins import make_bins, write_bins
from spikesieve.recording import read_recording_json, read_table, write_table
from spikesieve.spikes import read_spike_trains

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

#: How far back from a spike the stimulus is averaged.
LAGS_S = 0.4


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an ingested and filtered recording.")],
    output: Annotated[Path, typer.Argument(help="The table of bins to write.")],
    averages: Annotated[Path, typer.Option(help="The stimulus_average table to write.")],
    settings: Annotated[str, typer.Option(help="JSON: bin_ms, stimulus, split and so on.")],
) -> None:
    """Read the folder's tables and write the bins of its kept units."""
    recording = read_recording_json(folder / "recording.json")
    units = read_table(folder / "units.parquet", "units")
    unit_ids = units.loc[units["kept"], "unit_id"].to_numpy()
    bins, why = make_bins(
        recording["recording"],
        read_spike_trains(folder / "spikes.parquet", unit_ids),
        unit_ids,
        read_table(folder / "signals.parquet", "signals"),
        read_table(folder / "intervals.parquet", "intervals"),
        json.loads(settings),
        duration_s=recording["duration_s"],
        sampling_rate_hz=recording["sampling_rate_hz"],
    )
    write_bins(output, bins)
    lags = round(LAGS_S / bins.bin_s)
    average = spike_triggered_average(bins.spikes, bins.stimulus, n_lags=lags)
    table = average_table(bins.recording, bins.unit_ids, bins.channels, average, bin_s=bins.bin_s)
    write_table(averages, "stimulus_average", table)
    n_bins = bins.spikes.shape[1]
    print(f"{len(bins.unit_ids)} of {len(unit_ids)} kept units, {n_bins:,} bins of", end=" ")
    print(f"{bins.bin_s * 1000:.4f} ms, stimulus {', '.join(bins.channels)}.")
    for unit, reason in why.items():
        print(f"Unit {unit} {reason}.")


if __name__ == "__main__":
    app()
