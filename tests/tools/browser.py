"""A real browser, driven by real mouse, keyboard and touch events, that has no network.

Chromium is spoken to through two pipes (Chrome DevTools Protocol, ``--remote-debugging-pipe``):
this needs neither a driver program nor a port, and no package.
"""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name is found: there is no network
    "--remote-debugging-pipe",
)
TIMEOUT_S = 60
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "PageUp": 33, "PageDown": 34}
KEYS |= {"End": 35, "Home": 36}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
SHIFT = 8


class Page:
    """A tab. ``problems`` gathers what goes wrong in it, ``requests`` what it asks for, and
    ``refused`` why a request got no answer.
    """

    def __init__(self, write_to: int, read_from: int):
        self.problems, self.requests, self.refused, self.loads = [], [], [], 0
        self._write_to, self._read_from, self._held, self._number = write_to, read_from, b"", 0
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params) -> dict:
        """Send a command and return its result, taking note of events on the way."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def open(self, path: Path, *, width=1200, height=900, sharpness=1, dark=False) -> None:
        """Open a file in a window of this size, and wait until it has loaded.

        A picture of it has ``sharpness`` pixels a pixel of the page, to each side.
        """
        self.problems.clear()
        self.requests.clear()
        self.refused.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": sharpness, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.mouse("Moved", 0, 0)
        seen = self.loads
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait(lambda: self.loads > seen)

    def wait(self, until: Callable[[], bool]) -> None:
        """Take note of events until something has come true."""
        while not until():
            self._note(self._read())

    def run(self, expression: str):
        """Return the value of a JavaScript expression."""
        given = {"expression": expression, "returnByValue": True}
        answer = self.call("Runtime.evaluate", **given)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def middle(self, selector: str) -> tuple[float, float]:
        """Scroll to the first element that ``selector`` finds; return its middle in the window."""
        name = json.dumps(selector)
        self.run(f"document.querySelector({name}).scrollIntoView({{block: 'center'}})")
        box = self.run(f"document.querySelector({name}).getBoundingClientRect().toJSON()")
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def mouse(self, kind: str, x: float, y: float, **more) -> None:
        """Send a mouse event: ``Moved``, ``Pressed`` or ``Released``."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def point_at(self, selector: str) -> None:
        """Move the mouse onto an element."""
        self.mouse("Moved", *self.middle(selector))

    def click(self, selector: str, *, times: int = 1, modifiers: int = 0) -> None:
        """Move the mouse onto an element and press its button: once, or twice for a double click.

        ``modifiers`` are keys that are held down meanwhile (``SHIFT``).
        """
        place = self.middle(selector)
        self.mouse("Moved", *place)
        for count in range(1, times + 1):
            for kind in ("Pressed", "Released"):
                self.mouse(kind, *place, button="left", clickCount=count, modifiers=modifiers)

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Press the mouse's button at one place of the window and let go at another."""
        self.mouse("Moved", *start)
        self.mouse("Pressed", *start, button="left", clickCount=1)
        self.mouse("Moved", *stop, button="left")
        self.mouse("Released", *stop, button="left", clickCount=1)

    def write(self, text: str) -> None:
        """Put text into the field that has the focus."""
        self.call("Input.insertText", text=text)

    def keep_downloads(self, folder: Path) -> None:
        """Let the page save files, into ``folder``."""
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def tap(self, selector: str) -> None:
        """Touch an element with a finger."""
        x, y = self.middle(selector)
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.call("Emulation.setTouchEmulationEnabled", enabled=False)

    def press(self, *keys: str) -> None:
        """Press and let go keys, one after the other."""
        for key in keys:
            number = KEYS[key] if key in KEYS else ord(key.upper())
            named = {"key": key, "code": key, "windowsVirtualKeyCode": number}
            text = "\r" if key == "Enter" else key if len(key) == 1 else None
            more = {"text": text} if text else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **named, **more)
            self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def picture(self, path: Path) -> None:
        """Write what is seen of the whole page as a PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _read(self) -> dict:
        stop = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._held:
            left = stop - time.monotonic()
            ready, _, _ = select.select([self._read_from], [], [], max(left, 0))
            assert ready, f"the browser said nothing for {TIMEOUT_S} s"
            piece = os.read(self._read_from, 1 << 16)
            assert piece, "the browser has ended"
            self._held += piece
        message, _, self._held = self._held.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.loadingFailed":
            self.refused.append(params.get("blockedReason") or params["errorText"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(params["exceptionDetails"])
        elif method == "Log.entryAdded":
            self.problems.append(params["entry"])
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(params["args"])


@contextmanager
def browser_page(chromium: str, folder: Path) -> Iterator[Page]:
    """Start ``chromium`` with a fresh profile in ``folder`` and yield a tab of it."""
    for_browser, write_to, read_from, from_browser = map(_high, (*os.pipe(), *os.pipe()))

    def place_pipes():  # it reads from 3 and writes to 4
        os.dup2(for_browser, 3)
        os.dup2(from_browser, 4)

    command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            command, preexec_fn=place_pipes, close_fds=False, stdout=log, stderr=log
        )
    os.close(for_browser)
    os.close(from_browser)
    try:
        yield Page(write_to, read_from)
    finally:
        os.close(write_to)  # the browser ends where nobody can speak to it any more
        os.close(read_from)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _high(end: int) -> int:
    """Move the end of a pipe out of the way of 3 and 4."""
    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved
