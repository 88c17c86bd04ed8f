"""The browser that pages are tested in."""

import os
import shutil

import pytest
from browser import browser_page

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return a Chromium to start; where there is none, skip and say so (never in CI)."""
    given = os.environ.get("SPIKESIEVE_CHROMIUM")
    found = next(filter(None, map(shutil.which, [given] if given else NAMES)), None)
    if not found:
        problem = f"no browser ({given or ', '.join(NAMES)}): install Debian's package chromium"
        pytest.fail(problem) if os.environ.get("CI") else pytest.skip(problem)
    return found


@pytest.fixture(scope="session")
def page(chromium, tmp_path_factory):
    """Yield a tab without a network."""
    with browser_page(chromium, tmp_path_factory.mktemp("browser")) as tab:
        yield tab
