"""Write the page that explores the features of one run: one file that needs no network."""

from pathlib import Path
from typing import Annotated

import typer

from spikesieve.pages.dashboard.page import dashboard_page
from spikesieve.pages.dashboard.reading import read_firing, read_tables
from spikesieve.pages.document import write_page

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    meaning: Annotated[Path, typer.Argument(help="Folder of the model's tables of meaning.")],
    conditions: Annotated[Path, typer.Argument(help="conditions.parquet of the recording.")],
    intervals: Annotated[Path, typer.Argument(help="intervals.parquet of the recording.")],
    counts: Annotated[Path, typer.Argument(help="The counts table the run was fitted to.")],
    latents: Annotated[Path, typer.Argument(help="latents.parquet of the run.")],
    page: Annotated[Path, typer.Option(help="The .html to write.")],
    title: Annotated[str, typer.Option(help="Title of the page.")],
    seed: Annotated[int, typer.Option(help="Number of the run.")] = 0,
    spikes: Annotated[Path | None, typer.Option(help="spikes.parquet, if there is one.")] = None,
    unit_map: Annotated[Path | None, typer.Option(help="Page of the unit map.")] = None,
) -> None:
    """Read the tables and write the page."""
    tables, bin_s = read_tables(meaning, conditions, intervals, counts, latents, seed=seed)
    content = dashboard_page(
        tables,
        read_firing(counts, tables.sources, spikes),
        title=title,
        bin_s=bin_s,
        unit_map=unit_map.read_text(encoding="utf-8") if unit_map else None,
    )
    write_page(page, content)


if __name__ == "__main__":
    app()
