"""Downloads that are whole and right, or absent."""

import sys
import time
from os import PathLike
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pooch
import requests

from spikesieve.errors import InputError
from spikesieve.files import atomic_path, check_sha256
from spikesieve.files import sha256 as sha256_of

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BY_HAND = "fetch the file by hand and put its path in place of the URL"


def download(
    url: str,
    path: str | PathLike,
    *,
    sha256: str,
    attempts: int = 4,
    wait_s: float = 2.0,
    timeout_s: float = 60.0,
) -> None:
    """Fetch ``url`` to ``path``, which appears only when it is complete and its checksum right.

    A file that is there already with the right checksum is kept. A lost connection is tried
    again, after ``wait_s`` seconds and then twice as long each time; a wrong checksum or a
    missing page is not.

    Parameters
    ----------
    sha256 : the checksum that the file must have, 64 hexadecimal digits.
    timeout_s : how long the server may be silent.

    Raises
    ------
    InputError
        The address is not https (plain http: only this machine); the server can't be reached,
        refuses, or breaks off each time; the checksum is another one.
    """
    _check_address(url)
    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        raise InputError(f"sha256 {sha256!r}", path=url, allowed="64 hexadecimal digits")
    if Path(path).is_file() and sha256_of(path) == sha256.lower():
        return
    fetch = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        timeout=timeout_s,
        headers={"Accept-Encoding": "identity"},  # the checksum is that of the bytes as stored
        hooks={"response": _check_redirect},
    )
    with atomic_path(path) as temporary:
        _fetch(fetch, url, temporary, attempts, wait_s)
        try:
            check_sha256(temporary, sha256)
        except InputError:
            raise InputError(
                f"the file has SHA-256 {sha256_of(temporary)}, not the expected {sha256.lower()}",
                path=url,
                fix="try again later; if its authors changed the file, check it and correct sha256",
            ) from None


def _fetch(fetch: pooch.HTTPDownloader, url: str, path: Path, attempts: int, wait_s: float) -> None:
    for attempt in range(1, attempts + 1):
        try:
            fetch(url, str(path), None)
            return
        except requests.HTTPError as error:
            status = error.response.status_code
            problem = f"the server answers {status} {error.response.reason}"
            lasting = 400 <= status < 500 and status not in (408, 429)
        except requests.RequestException as error:
            problem, lasting = f"the connection failed ({error})", False
        if lasting:
            raise InputError(problem, path=url, fix=f"check the URL, or {_BY_HAND}")
        if attempt < attempts:
            print(f"{url}: {problem}; trying again", file=sys.stderr)
            time.sleep(wait_s * 2 ** (attempt - 1))
    raise InputError(
        f"{problem}, in {attempts} attempts",
        path=url,
        fix=f"check the network, and run again; or {_BY_HAND}",
    )


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return
    raise InputError(f"address {url!r}", allowed="https://... (http:// for this machine only)")


def _check_redirect(response: requests.Response, **_) -> None:
    if response.is_redirect:
        _check_address(urljoin(response.url, response.headers["location"]))
