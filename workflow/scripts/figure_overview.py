"""Draw the overview of a recording: raster, stimuli, firing rates, intervals, dropped units."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.overview import draw_overview, overview_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_recording_json, read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a filtered recording.")],
    picture: Annotated[Path, typer.Argument(help="The .png to write; .pdf and .csv go beside it.")],
    isi_threshold_ms: Annotated[float, typer.Option(help="Where to mark short intervals, in ms.")],
) -> None:
    """Read the folder's tables and write the figure."""
    recording = read_recording_json(folder / "recording.json")
    counted = recording["source"] == "counts"
    table = overview_table(
        recording,
        read_table(folder / "units.parquet", "units"),
        read_table(folder / "intervals.parquet", "intervals"),
        read_table(folder / "signals.parquet", "signals"),
        folder / ("binned.parquet" if counted else "spikes.parquet"),
        isi_threshold_ms=isi_threshold_ms,
    )
    save_figure(draw_overview(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
