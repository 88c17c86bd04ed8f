"""Draw the quality of a recording's units against the filter, and what each criterion cost."""

import json
from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.style import save_figure
from spikesieve.figures.unit_quality import draw_unit_quality, unit_quality_table
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    units: Annotated[Path, typer.Argument(help="units.parquet of a filtered recording.")],
    picture: Annotated[Path, typer.Argument(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    settings: Annotated[str, typer.Option(help="The units section of the configuration, as JSON.")],
) -> None:
    """Read the units and write the figure."""
    table = unit_quality_table(recording, read_table(units, "units"), json.loads(settings))
    save_figure(draw_unit_quality(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
