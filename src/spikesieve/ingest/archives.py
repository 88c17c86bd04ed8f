"""Reading a tar.gz from elsewhere without trusting it: nothing is unpacked to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Collection
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from spikesieve.errors import InputError

MAX_BYTES = 2_000_000_000
MAX_MEMBERS = 10_000


class Archive(NamedTuple):
    """``names`` of all files in the archive, and the ``contents`` of those asked for."""

    names: list[str]
    contents: dict[str, bytes]


def read_archive(
    path: str | PathLike,
    wanted: Collection[str],
    *,
    recording: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_members: int = MAX_MEMBERS,
) -> Archive:
    """Read the files called ``wanted`` (by their last name, in whatever folder) of a tar.gz.

    Every member is checked, also those that nobody asked for, and the archive is read to its
    end, so that a truncated one is noticed.

    Raises
    ------
    InputError
        No tar.gz, truncated or damaged; more than ``max_bytes`` unpacked or ``max_members``
        members; a member that is absolute, climbs with ``..``, or is no plain file or folder;
        a file of ``wanted`` stands in it twice.
    """
    about = {"recording": recording, "path": path}
    names, contents = [], {}
    try:
        with gzip.open(path) as unpacked:
            stream = _Limited(unpacked, max_bytes, about)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for number, member in enumerate(archive, start=1):
                    if number > max_members:
                        raise InputError(f"holds more than {max_members} members", **about)
                    _check_member(member, about)
                    name = PurePosixPath(member.name).name
                    if not member.isfile():
                        continue
                    names.append(member.name)
                    if name in contents:
                        raise InputError(f"two files are called {name!r}: {names}", **about)
                    if name in wanted:
                        contents[name] = archive.extractfile(member).read()
            while stream.read(1 << 20):  # the checksum of gzip stands behind the last byte
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(
            f"no readable tar.gz ({error})",
            **about,
            fix="it may be cut short: fetch it again, and give its sha256 in the sheet",
        ) from error
    return Archive(names, contents)


def _check_member(member: tarfile.TarInfo, about: dict) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        problem = f"member {member.name!r} leads out of the archive"
    elif member.issparse() or not (member.isfile() or member.isdir()):
        # a sparse file can claim any size without a byte in the archive
        problem = f"member {member.name!r} is a link, a device or a sparse file"
    else:
        try:
            tarfile.data_filter(member, str(Path.cwd()))
            return
        except tarfile.FilterError as error:
            problem = f"member {member.name!r} is not safe ({error})"
    raise InputError(
        problem,
        **about,
        allowed="plain files and folders inside the archive",
        fix="do not use this archive; fetch it from its authors and check its sha256",
    )


class _Limited:
    """A stream that refuses to give more than ``limit`` bytes: a small gzip can hold terabytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int, about: dict):
        self.stream, self.limit, self.left, self.about = stream, limit, limit, about

    def read(self, size: int) -> bytes:
        block = self.stream.read(min(size, self.left + 1))
        self.left -= len(block)
        if self.left < 0:
            raise InputError(f"unpacks to more than {self.limit} bytes", **self.about)
        return block
