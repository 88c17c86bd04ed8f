"""Downloads: whole and right, or absent; tried against a server on this machine."""

import hashlib
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spikesieve.download import download
from spikesieve.errors import InputError

CONTENT = bytes(range(256)) * 400
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Behave as the path says; ``seen`` counts the requests of each path."""

    def do_GET(self):
        seen = self.server.seen
        seen.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
        elif self.path == "/refuses":
            self.send_error(503)
        elif self.path in ("/away", "/away-plain"):
            self.send_response(302)
            local = f"http://127.0.0.1:{self.server.server_port}/file"
            self.send_header("Location", local if self.path == "/away" else "http://example.org/f")
            self.end_headers()
        else:
            breaks = self.path == "/breaks" or (
                self.path == "/flaky" and seen.count(self.path) == 1
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if breaks else CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.seen = []
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_good_file_arrives(server, tmp_path):
    path = tmp_path / "sub" / "file.tar.gz"
    download(server.url + "/file", path, sha256=SUM.upper())
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file.tar.gz"]


def test_a_file_that_is_there_is_kept_and_a_wrong_one_is_replaced(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"an older file")
    download(server.url + "/file", path, sha256=SUM)
    download(server.url + "/file", path, sha256=SUM)
    assert path.read_bytes() == CONTENT
    assert server.seen == ["/file"]


def test_a_wrong_checksum_shows_both_and_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match=f"{SUM}, not the expected {'0' * 64}"):
        download(server.url + "/file", tmp_path / "file", sha256="0" * 64, wait_s=0)
    assert list(tmp_path.iterdir()) == []
    assert server.seen == ["/file"]


def test_a_failed_download_leaves_the_older_file(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"an older file")
    with pytest.raises(InputError, match="not the expected"):
        download(server.url + "/file", path, sha256="0" * 64)
    assert path.read_bytes() == b"an older file"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_page_is_not_tried_again(server, tmp_path):
    with pytest.raises(InputError, match=r"/missing: the server answers 404.*check the URL"):
        download(server.url + "/missing", tmp_path / "file", sha256=SUM, wait_s=0)
    assert server.seen == ["/missing"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("page, problem", [("/breaks", "connection failed"), ("/refuses", "503")])
def test_what_keeps_failing_is_given_up(server, tmp_path, page, problem):
    with pytest.raises(InputError, match=rf"{problem}.* in 3 attempts"):
        download(server.url + page, tmp_path / "file", sha256=SUM, wait_s=0, attempts=3)
    assert server.seen == [page] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_second_try_after_a_broken_transfer_succeeds(server, tmp_path):
    download(server.url + "/flaky", tmp_path / "file", sha256=SUM, wait_s=0)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.seen == ["/flaky", "/flaky"]


def test_nobody_answers(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(InputError, match=r"connection failed.*2 attempts.*check the network"):
            download(url, tmp_path / "file", sha256=SUM, wait_s=0, attempts=2)


@pytest.mark.parametrize(
    "url", ["http://example.org/f", "ftp://example.org/f", "file:///etc/passwd", "/etc/passwd", ""]
)
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(InputError, match="https://"):
        download(url, tmp_path / "file", sha256=SUM)


def test_a_redirect_may_not_leave_https(server, tmp_path):
    with pytest.raises(InputError, match=r"address 'http://example.org/f'"):
        download(server.url + "/away-plain", tmp_path / "file", sha256=SUM)
    download(server.url + "/away", tmp_path / "file", sha256=SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", ["", "abc", "g" * 64])
def test_a_checksum_that_is_none_is_refused(server, tmp_path, wrong):
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        download(server.url + "/file", tmp_path / "file", sha256=wrong)
    assert server.seen == []


def test_the_script(server, tmp_path, root):
    path = tmp_path / "a folder" / "file"
    command = [sys.executable, root / "workflow/scripts/download.py", server.url + "/file", path]
    subprocess.run([*command, "--sha256", SUM], check=True, cwd=tmp_path)
    assert path.read_bytes() == CONTENT
