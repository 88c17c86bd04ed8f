"""Download Allen Visual Coding Neuropixels sessions into AllenSDK's cache, but never half of one.

Runs in the AllenSDK environment, so it imports nothing of the main one. On its own AllenSDK takes
whatever lies in its cache for a whole file, waits for a silent server for ever, and takes an
error page for the session. Here a file enters the cache only when it is whole, and one that is
found damaged there is deleted.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import h5py
import requests
from allensdk.brain_observatory.ecephys.ecephys_project_api import EcephysProjectWarehouseApi
from allensdk.brain_observatory.ecephys.ecephys_project_api.http_engine import write_from_stream
from allensdk.brain_observatory.ecephys.ecephys_project_api.rma_engine import (
    RmaEngine,
    RmaRequestError,
)
from allensdk.brain_observatory.ecephys.ecephys_project_cache import (
    EcephysProjectCache,
    read_csv,
    write_csv,
)
from tqdm import tqdm

from spikesieve.errors import InputError
from spikesieve.files import atomic_path

CHUNK_BYTES = 1 << 20


def download_session(
    session: int,
    output: str | PathLike,
    *,
    cache: str | PathLike,
    retries: int = 3,
    timeout_s: float = 60.0,
    wait_s: float = 10.0,
    warehouse: str,
) -> None:
    """Bring a session's NWB file to ``output``, from the cache or else from the warehouse.

    Parameters
    ----------
    session : Allen's session id.
    cache : folder of AllenSDK's cache (its ``manifest.json``); made where it is absent.
    retries : tries after the first one. ``wait_s`` : pause in s before the first of them,
        doubled before each next one.
    timeout_s : how long the server may be silent, in s; no limit to the whole download.
    warehouse : address of the Allen Institute's server, or of a mirror.

    Raises
    ------
    InputError
        There is no such session, or every try failed. Nothing is left at ``output``, and no
        part of a file in the cache.
    """
    for attempt in range(retries + 1):
        try:
            cached = _whole_file(_open_cache(Path(cache), warehouse, timeout_s), session)
            break
        except InputError:  # no such session: trying again is no help
            raise
        except (OSError, ValueError, RmaRequestError) as error:
            reason = f"{type(error).__name__}: {error}"
            if attempt == retries:
                raise InputError(
                    f"session {session} could not be fetched in {attempt + 1} tries ({reason})",
                    path=output,
                    fix="check the network, and the disk (a session takes up to 3.3 GB), and run "
                    "again; or fetch the file otherwise and put its path in place of the id",
                ) from error
            pause_s = wait_s * 2**attempt
            print(f"try {attempt + 1} failed ({reason}); next in {pause_s:g} s", file=sys.stderr)
            time.sleep(pause_s)
    with atomic_path(output) as part:
        try:
            os.link(cached, part)  # a session is gigabytes: no second copy where it can be helped
        except OSError:
            shutil.copyfile(cached, part)


def check_session_file(path: Path, session: int) -> None:
    """Raise ``OSError`` unless ``path`` is a whole HDF5 file with the units of ``session``."""
    with h5py.File(path, "r") as file:  # HDF5 knows its own length, and refuses a shorter file
        if "units" not in file or "spike_times" not in file["units"]:
            raise OSError(f"{path} has no units")
        identifier = file["identifier"][()].decode() if "identifier" in file else "none"
        if identifier != str(session):
            raise OSError(f"{path} is session {identifier}, not {session}")


class CheckedEngine(RmaEngine):
    """AllenSDK's HTTP engine with a time-out for each wait and a check of status and size."""

    def stream(self, route: str) -> Iterator[bytes]:
        """Yield a file in pieces; raises ``OSError`` if the server fails, stalls or stops early."""
        url = f"{self.scheme}://{self.host}/{route.lstrip('/')}"
        with requests.get(url, stream=True, timeout=self.timeout) as response:
            response.raise_for_status()
            encoded = "Content-Encoding" in response.headers
            size = None if encoded else response.headers.get("Content-Length")
            expected, received = int(size) if size else None, 0
            with tqdm(total=expected, unit="B", unit_scale=True, disable=None) as progress:
                for chunk in response.iter_content(CHUNK_BYTES):
                    received += len(chunk)
                    progress.update(len(chunk))
                    yield chunk
            if expected is not None and received != expected:
                raise OSError(f"{url} sent {received} of {expected} bytes")

    def get_rma(self, query: str) -> Iterator[list]:
        """Yield the answer to a query, page by page; raises ``OSError`` as ``stream`` does."""
        url = f"{self.scheme}://{self.host}/{self.rma_prefix}/{self.format_query_string}?{query}"
        start, total = 0, 1
        while start < total:
            response = requests.get(self.add_page_params(url, start), timeout=self.timeout)
            response.raise_for_status()
            answer = response.json()
            if not answer["success"]:
                raise RmaRequestError(answer["msg"])
            yield answer["msg"]
            total = answer["total_rows"]
            start += answer["num_rows"] or total


def _open_cache(folder: Path, warehouse: str, timeout_s: float) -> EcephysProjectCache:
    scheme, _, host = warehouse.rstrip("/").rpartition("://")
    engine = CheckedEngine(scheme=scheme or "http", host=host, timeout=timeout_s)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.json"
    options = {"fetch_api": EcephysProjectWarehouseApi(engine), "manifest": str(manifest)}
    try:
        return EcephysProjectCache(**options)
    except ValueError:  # half a manifest, from a run that was killed; it is made anew
        manifest.unlink(missing_ok=True)
        return EcephysProjectCache(**options)


def _whole_file(cache: EcephysProjectCache, session: int) -> Path:
    """Return the checked file of ``session`` in the cache; fetch it where there is none."""
    path = Path(cache.get_cache_path(None, cache.SESSION_NWB_KEY, session, session))
    if path.exists():
        try:
            check_session_file(path, session)
            return path
        except OSError as error:
            print(f"deleted from the cache: {path} ({error})", file=sys.stderr)
            path.unlink()
    _check_id(cache, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".nwb.part")
    try:
        write_from_stream(part, cache.fetch_api.get_session_data(session))
        check_session_file(part, session)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _check_id(cache: EcephysProjectCache, session: int) -> None:
    table = Path(cache.get_cache_path(None, cache.SESSIONS_KEY))
    if not table.exists():
        with atomic_path(table) as part:
            write_csv(part, cache.fetch_api.get_sessions())
    known = read_csv(table).index.tolist()
    if session not in known:
        near = sorted(sorted(known, key=lambda i: abs(i - session))[:5])
        raise InputError(
            f"there is no Allen session {session} among the {len(known)} released",
            path=table,
            allowed=f"an id of that table; the nearest are {', '.join(map(str, near))}",
            fix="correct the id in the sheet; delete the table if it may be out of date",
        )
