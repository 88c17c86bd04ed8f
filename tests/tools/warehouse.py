"""A small stand-in for the Allen Institute's server, which can fail in the ways that it does."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple


class Warehouse(NamedTuple):
    """A running server: its address, and the paths asked of it so far."""

    address: str
    asked: list[str]


@contextmanager
def serve(session: int, file: Path, faults: tuple[str, ...] = ()) -> Iterator[Warehouse]:
    """Serve one session. The n-th download meets the n-th of ``faults``, the last one for ever.

    ``cut`` closes the connection half way, ``silent`` stops sending, ``page`` sends an error
    page with status 200, ``error`` status 503, ``whole`` the file.
    """
    content, asked, downloads = file.read_bytes(), [], []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            asked.append(self.path)
            if "EcephysSession" in self.path and "WellKnownFile" not in self.path:
                self.answer([session_record(session)])
            elif "WellKnownFile" in self.path:
                self.answer([{"id": 1, "download_link": "/api/v2/well_known_file_download/1"}])
            else:
                self.download()

        def answer(self, rows):
            body = {"success": True, "num_rows": len(rows), "total_rows": len(rows), "msg": rows}
            self.send(json.dumps(body).encode())

        def send(self, body, status=200, length=None):
            self.send_response(status)
            self.send_header("Content-Length", str(length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def download(self):
            fault = faults[min(len(downloads), len(faults) - 1)] if faults else "whole"
            downloads.append(fault)
            if fault == "page":
                self.send(b"<html>maintenance</html>")
            elif fault == "error":
                self.send(b"", status=503)
            elif fault == "whole":
                self.send(content)
            else:
                self.send(content[: len(content) // 2], length=len(content))
                self.wfile.flush()
                if fault == "silent":
                    time.sleep(5)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Warehouse(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()


def session_record(session: int) -> dict:
    """Return a session as the server describes it."""
    donor = {"age": {"days": 100.0}, "sex": "M", "full_genotype": None}
    return {
        "id": session,
        "stimulus_name": "brain_observatory_1.1",
        "specimen": {"donor": donor},
        "fail_eye_tracking": False,
        "well_known_files": [{"well_known_file_type": {"name": "EcephysNwb"}}],
    }
