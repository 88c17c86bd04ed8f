"""Time our binning against elephant's BinnedSpikeTrain and pynapple's count on the same spikes."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from spikesieve.benchmarking import ratios, take_turns
from spikesieve.counts import bin_spikes
from spikesieve.files import atomic_path

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="The table (csv) to write.")],
    n_units: Annotated[int, typer.Option(help="Units.")] = 300,
    rate_hz: Annotated[float, typer.Option(help="Firing rate of each, in Hz.")] = 8.0,
    duration_s: Annotated[float, typer.Option(help="Length of the recording in s.")] = 1800.0,
    bin_ms: Annotated[float, typer.Option(help="Bin width in ms.")] = 50.0,
    repeats: Annotated[int, typer.Option(help="Measured rounds; the median counts.")] = 5,
) -> None:
    """Give each package the spikes in its own native layout, built outside the measured part."""
    import neo
    import pynapple
    import quantities
    from elephant.conversion import BinnedSpikeTrain

    rng = np.random.default_rng(0)
    time_s = np.sort(rng.random(int(n_units * rate_hz * duration_s)) * duration_s)
    unit = rng.integers(0, n_units, len(time_s)).astype(np.int32)
    trains = [time_s[unit == i] for i in range(n_units)]
    stop, width = duration_s * quantities.s, bin_ms * quantities.ms
    neo_trains = [neo.SpikeTrain(t, t_stop=stop, units="s") for t in trains]
    span = pynapple.IntervalSet(0, duration_s)
    group = pynapple.TsGroup({i: pynapple.Ts(t) for i, t in enumerate(trains)}, time_support=span)
    size = {"n_units": n_units, "bin_s": bin_ms / 1000, "duration_s": duration_s}
    contenders = {
        "spikesieve": lambda: bin_spikes(time_s, unit, **size),
        "elephant BinnedSpikeTrain": lambda: BinnedSpikeTrain(neo_trains, bin_size=width),
        "pynapple count": lambda: group.count(bin_ms / 1000),
    }
    ours = contenders["spikesieve"]()
    theirs = contenders["pynapple count"]().to_numpy()
    print(f"Cells that differ from pynapple (edges by float drift): {np.sum(ours != theirs)}")
    table = ratios(
        take_turns(contenders, repeats),
        "spikesieve",
        f"{n_units} units; {len(time_s)} spikes; {len(ours)} bins of {bin_ms:g} ms",
    )
    with atomic_path(output) as temporary:
        table.to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
