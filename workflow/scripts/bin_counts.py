"""Count the spikes of the kept units in bins of one width, and name each bin's split."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.binning import binned_counter, spike_counter, write_counts
from spikesieve.recording import read_recording_json, read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an ingested and filtered recording.")],
    output: Annotated[Path, typer.Argument(help="The counts table to write.")],
    bin_ms: Annotated[float, typer.Option(help="Bin width in ms.")],
    settings: Annotated[str, typer.Option(help="split and gap_s of the configuration, as JSON.")],
    source_bin_ms: Annotated[
        float | None, typer.Option(help="Width of the given bins in ms, where only counts exist.")
    ] = None,
) -> None:
    """Read the folder's tables and write the counts table."""
    recording = read_recording_json(folder / "recording.json")
    units = read_table(folder / "units.parquet", "units")
    unit_ids = units.loc[units["kept"], "unit_id"].to_numpy()
    if recording["source"] == "counts" and source_bin_ms is None:
        raise typer.BadParameter("a recording of counts needs --source-bin-ms")
    if source_bin_ms is None:
        count_rows = spike_counter(folder / "spikes.parquet", unit_ids, bin_ms / 1000)
    else:
        binned = read_table(folder / "binned.parquet", "binned", columns=[*map(str, unit_ids)])
        count_rows = binned_counter(binned.to_numpy(), bin_ms, source_bin_ms)
    write_counts(
        output,
        count_rows,
        unit_ids,
        read_table(folder / "intervals.parquet", "intervals"),
        json.loads(settings),
        duration_s=recording["duration_s"],
        bin_s=bin_ms / 1000,
        recording=recording["recording"],
    )


if __name__ == "__main__":
    app()
