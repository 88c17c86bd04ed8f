"""Time each method as bins and units grow, with its peak memory: each in a process of its own."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import pandas as pd
import typer

from spikesieve.baselines.scaling import COMMON, METHODS, SIZES, time_method
from spikesieve.benchmarking import measure
from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="The table (csv) to write.")],
    method: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it
        typer.Option(help="Only this method; may be given several times."),
    ] = None,
    bins: Annotated[str, typer.Option(help="Numbers of bins.")] = ",".join(map(str, SIZES["bins"])),
    units: Annotated[str, typer.Option(help="Of units.")] = ",".join(map(str, SIZES["units"])),
    one: Annotated[bool, typer.Option(help="Only the first size, in this process.")] = False,
) -> None:
    """Go through methods and sizes; write method, bins, units, seconds, peak_mb."""
    sizes = {"bins": [*map(int, bins.split(","))], "units": [*map(int, units.split(","))]}
    rows = []
    for name in method or METHODS:
        if one:
            size = {axis: values[0] for axis, values in sizes.items()}
            rows.append({"seconds": time_method(name, size["bins"], size["units"])})
            continue
        grid = {tuple((COMMON | {a: v}).items()): None for a, vs in sizes.items() for v in vs}
        for size in map(dict, grid):
            part = output.with_name(f".{output.stem}.part.csv")
            options = ["--method", name, *(f"--{a}={n}" for a, n in size.items()), "--one"]
            cost = measure([sys.executable, __file__, str(part), *options])
            seconds = pd.read_csv(part)["seconds"].item()
            part.unlink()
            rows.append({"method": name, **size, "seconds": seconds, "peak_mb": cost.peak_mb})
            print(rows[-1], flush=True)
    with atomic_path(output) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
