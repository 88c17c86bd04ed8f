"""Download an Allen session (in the AllenSDK environment)."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command(help=__doc__)
def main(
    session: Annotated[int, typer.Argument(help="Allen's session id.")],
    output: Annotated[Path, typer.Argument(help="The NWB file to write.")],
    cache: Annotated[Path, typer.Option(help="Folder of AllenSDK's cache.")],
    retries: Annotated[int, typer.Option(help="Tries after the first.", min=0)] = 3,
    timeout: Annotated[float, typer.Option(help="Longest silence of the server, in s.")] = 60.0,
    wait: Annotated[float, typer.Option(help="Pause before the second try, in s.")] = 10.0,
    warehouse: Annotated[
        str, typer.Option(help="Address of the server, or of a mirror.")
    ] = "http://api.brain-map.org",
) -> None:
    """Fetch, check, and put in place."""
    # Here, so that --help answers without AllenSDK, which takes 10 s to import.
    from spikesieve.ingest.allen_download import download_session

    download_session(
        session,
        output,
        cache=cache,
        retries=retries,
        timeout_s=timeout,
        wait_s=wait,
        warehouse=warehouse,
    )


if __name__ == "__main__":
    app()
