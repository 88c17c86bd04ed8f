"""Compare methods by how well their best single latents tell each label."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.method_comparison import draw_method_comparison, method_comparison_table
from spikesieve.figures.style import save_figure
from spikesieve.recording import read_table

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    features: Annotated[
        list[Path], typer.Argument(help="features.parquet of each method, summary.parquet beside.")
    ],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    null: Annotated[
        list[Path] | None, typer.Option(help="features.parquet of a control of shifted counts.")
    ] = None,
) -> None:
    """Read the tables and write the figure."""
    told = [read_table(path, "features") for path in features]
    summaries = [read_table(path.with_name("summary.parquet"), "summary") for path in features]
    nulls = [read_table(path, "features") for path in null or ()]
    table = method_comparison_table(recording, told, summaries, nulls)
    save_figure(draw_method_comparison(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
