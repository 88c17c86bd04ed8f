"""Take a simulated session of Allen's largest size through ingest, filter and binning."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spikesieve.benchmarking import measure, write_large_nwb
from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
SCRIPTS = Path(__file__).parent


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="The table (csv) to write.")],
    units: Annotated[str, typer.Option(help="The units section of the configuration, as JSON.")],
    counts: Annotated[str, typer.Option(help="The counts section of the configuration, as JSON.")],
    n_units: Annotated[int, typer.Option(help="Units.")] = 2800,
    n_spikes: Annotated[int, typer.Option(help="Spikes in all.")] = 131_000_000,
    duration_s: Annotated[float, typer.Option(help="Length of the session in s.")] = 9720.0,
) -> None:
    """Run each stage as its own process and note its seconds and peak memory."""
    output.parent.mkdir(parents=True, exist_ok=True)
    split = json.dumps({key: json.loads(counts)[key] for key in ("split", "gap_s")})
    bin_ms = str(json.loads(counts)["bin_ms"])
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".allen_size.") as scratch:
        session, folder = Path(scratch, "session.nwb"), Path(scratch, "recording")
        write_large_nwb(session, n_units=n_units, n_spikes=n_spikes, duration_s=duration_s)
        stages = {
            "ingest_nwb": [session, "--recording", "allen_size", "--folder", folder],
            "filter_units": [folder, "--settings", units],
            "bin_counts": [
                *(folder, Path(scratch, "counts.parquet")),
                *("--bin-ms", bin_ms, "--settings", split),
            ],
        }
        rows = []
        for stage, arguments in stages.items():
            command = [sys.executable, SCRIPTS / f"{stage}.py", *arguments]
            cost = measure([str(part) for part in command])
            rows.append({"stage": stage, **cost._asdict()})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).round(1)
    table.insert(0, "size", f"{n_units} units; {n_spikes} spikes; {duration_s:g} s")
    with atomic_path(output) as temporary:
        table.to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
