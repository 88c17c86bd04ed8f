"""Draw the counts of a recording: sparsity against bin width, distribution, splits."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.figures.counts import counts_table, draw_counts
from spikesieve.figures.style import save_figure

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    tables: Annotated[list[Path], typer.Argument(help="Counts tables, named {width}ms.parquet.")],
    picture: Annotated[Path, typer.Option(help="The .png to write; .pdf and .csv go beside it.")],
    recording: Annotated[str, typer.Option(help="Id of the recording.")],
    bin_ms: Annotated[float, typer.Option(help="The width in ms that the learners see.")],
) -> None:
    """Read the counts tables in pieces and write the figure."""
    widths = {float(path.stem.removesuffix("ms")): path for path in tables}
    table = counts_table(recording, widths, bin_ms)
    save_figure(draw_counts(table), table, picture.with_suffix(""))


if __name__ == "__main__":
    app()
