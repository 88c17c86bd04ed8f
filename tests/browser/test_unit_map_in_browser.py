"""The page of a unit map in a real browser, which has no network."""

import re

import numpy as np
import pytest
from map_samples import CHANNELS, HOSTILE, small_map
from PIL import Image

from spikesieve.pages.document import write_page
from spikesieve.pages.unit_map import channel_looks, unit_map_page

N_UNITS = 24


@pytest.fixture(scope="module")
def tables():
    return small_map(N_UNITS, ("first", HOSTILE), silent=[7])


@pytest.fixture(scope="module")
def path(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "map.html"
    write_page(path, unit_map_page(*tables, title="A map & <more>"))
    return path


@pytest.fixture
def shown(page, path):
    page.open(path)
    yield page
    assert page.problems == []


def cards(page):
    """The heading of each card that is shown."""
    return page.run("[...document.querySelectorAll('#details h2')].map((h) => h.textContent)")


def point(unit, layout="pca"):
    return f"#{layout} [data-unit='{unit}']"


def curve(page, channel):
    """What the line of a channel shows, as (ms before the spike, height in the picture)."""
    d = page.run(f"document.querySelectorAll('.card > svg .curve')[{channel}].getAttribute('d')")
    return np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", d), dtype=float).T


def test_it_opens_without_a_network_and_without_an_error(page, path):
    page.open(path)
    assert page.requests == [path.as_uri()]
    assert page.problems == []
    assert page.run("document.title") == "A map & <more>"
    assert page.run("document.querySelector('h1').textContent") == "A map & <more>"
    for layout in ("tsne", "pca"):
        assert page.run(f"document.querySelectorAll('#{layout} .unit').length") == N_UNITS
    assert page.run("document.querySelectorAll('tbody tr').length") == 3
    assert cards(page) == []


def test_no_name_can_run_or_become_an_element(shown):
    assert shown.run("window.hacked === undefined")
    assert shown.run("document.querySelectorAll('img').length") == 0
    assert shown.run("document.getElementById('legend').textContent") == f"first{HOSTILE}"
    shown.point_at(point(1))
    assert cards(shown) == [f"Unit 101 of {HOSTILE}"]
    assert shown.run("window.hacked === undefined")


def test_the_page_may_fetch_nothing_even_if_told_to(page, path):
    """What the browser forbids, no text in the page can ask for."""
    page.open(path)
    page.run("document.body.append(Object.assign(new Image(), {src: 'https://example.com/a.png'}))")
    page.run(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.hacked = 1'}))"
    )
    assert page.run("window.hacked === undefined")
    page.wait(lambda: page.refused and len(page.problems) == 2)
    assert page.refused == ["csp"]
    assert all("Content Security Policy" in str(problem) for problem in page.problems)


@pytest.mark.parametrize("layout", ["tsne", "pca"])
def test_pointing_at_a_unit_shows_its_average_stimulus(shown, tables, layout):
    unit = 6
    shown.point_at(point(unit, layout))
    assert cards(shown) == ["Unit 106 of first"]
    assert "3.00 spikes per second" in shown.run("document.querySelector('.card p').textContent")
    colours = (
        "[...document.querySelectorAll('.card > svg .curve')].map((c) => c.getAttribute('stroke'))"
    )
    assert shown.run(colours) == [look["colour"] for look in channel_looks(CHANNELS)]
    keys = "[...document.querySelectorAll('.key span')].map((s) => s.textContent)"
    assert shown.run(keys) == CHANNELS
    averages = tables[2]
    for number, channel in enumerate(CHANNELS):
        own = averages[(averages["unit_id"] == 106) & (averages["channel"] == channel)]
        x, y = curve(shown, number)
        # Time runs to the right: the spike's own bin is last. Heights count from the top.
        assert np.corrcoef(x, own["lag_ms"])[0, 1] == pytest.approx(-1, abs=1e-6)
        if number == unit % 4:
            assert np.corrcoef(y, own["value"])[0, 1] == pytest.approx(-1, abs=1e-4)
            assert y.argmin() == own["value"].argmax() == 23
    shown.mouse("Moved", 2, 2)
    assert cards(shown) == []


def test_the_unit_is_marked_in_both_maps(shown):
    shown.point_at(point(4, "tsne"))
    for layout in ("tsne", "pca"):
        ring = f"document.querySelector('#{layout} .ring.pointed').getBoundingClientRect().toJSON()"
        unit = f"document.querySelector({point(4, layout)!r}).getBoundingClientRect().toJSON()"
        ring, unit = (shown.run(what) for what in (ring, unit))
        for side, size in (("x", "width"), ("y", "height")):
            apart = ring[side] + ring[size] / 2 - unit[side] - unit[size] / 2
            assert abs(apart) < 1.5


def test_a_click_pins_a_unit_beside_the_next(shown):
    shown.click(point(0))
    shown.mouse("Moved", 2, 2)
    assert cards(shown) == ["Unit 100 of first (pinned)"]
    shown.point_at(point(2))
    assert cards(shown) == ["Unit 100 of first (pinned)", "Unit 102 of first"]
    heights = [np.ptp(curve(shown, channel)[1]) for channel in (0, len(CHANNELS) + 2)]
    assert heights[0] < heights[1]  # one scale for both: unit 2 has the larger bump
    shown.click(point(2))
    assert cards(shown) == ["Unit 102 of first (pinned)"]
    shown.click(point(2))
    shown.mouse("Moved", 2, 2)
    assert cards(shown) == []
    shown.click(point(2))
    shown.press("Escape")
    assert cards(shown) == []


def test_the_keyboard_alone_is_enough(shown):
    shown.press("Tab")
    assert shown.run("document.activeElement.id") == "tsne"
    seen = set()
    for _ in range(N_UNITS):
        shown.press("PageDown")
        seen |= set(cards(shown))
    assert len(seen) == N_UNITS
    shown.press("Enter")
    (pinned,) = cards(shown)
    assert pinned.endswith("(pinned)")
    for key, back in (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown")):
        places = []
        for pressed in (key, back):
            before = shown.run("pointed")
            shown.press(pressed)
            axis = 0 if key == "ArrowLeft" else 1
            after = shown.run("pointed")
            where = [shown.run(f"maps[0].place.get({u})[{axis}]") for u in (before, after)]
            places.append(where)
        assert places[0][1] <= places[0][0]
        assert places[1][1] >= places[1][0]
    assert pinned in cards(shown)
    shown.press("Escape")
    assert cards(shown) == []


def test_a_finger_pins(shown):
    shown.tap(point(3, "tsne"))
    assert cards(shown) == [f"Unit 103 of {HOSTILE} (pinned)"]


def test_a_unit_without_an_average_says_so(shown):
    shown.point_at(point(7))
    assert "No stimulus average" in shown.run("document.querySelector('.card').textContent")
    assert shown.run("document.querySelectorAll('.card > svg').length") == 0


def test_few_units_have_one_map_and_the_other_says_why(page, tmp_path):
    write_page(tmp_path / "few.html", unit_map_page(*small_map(4, ("only",)), title="Few"))
    page.open(tmp_path / "few.html")
    assert page.problems == []
    assert "needs 5 units" in page.run("document.getElementById('tsne').textContent")
    assert page.run("document.querySelectorAll('#pca .unit').length") == 4
    assert "none: there is one recording" in page.run("document.querySelector('table').textContent")


@pytest.mark.parametrize(("width", "columns"), [(390, 1), (1200, 2)])
def test_it_fits_a_phone_and_a_desk(page, path, width, columns):
    page.open(path, width=width, height=800)
    page.click(point(0))
    assert page.run("document.documentElement.scrollWidth") <= width
    lefts = (
        "[...document.querySelectorAll('figure svg')].map((s) => s.getBoundingClientRect().left)"
    )
    assert len(set(page.run(lefts))) == columns


@pytest.mark.parametrize("size", [(390, 844), (800, 900), (1200, 900), (1600, 900)])
def test_a_unit_and_its_card_are_seen_together(page, path, size):
    page.open(path, width=size[0], height=size[1])
    for unit, layout in ((2, "tsne"), (5, "pca")):
        page.click(point(unit, layout))
        assert len(cards(page)) == 1
        for what in (point(unit, layout), ".card h2"):
            box = page.run(f"document.querySelector({what!r}).getBoundingClientRect().toJSON()")
            assert 0 <= box["top"] < box["bottom"] <= size[1], what


def luminance(colour):
    """Relative luminance of "rgb(...)" (WCAG 2.2)."""
    share = np.array(re.findall(r"\d+", colour)[:3], dtype=float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_by_day_and_by_night(page, path, tmp_path, dark):
    page.open(path, sharpness=2, dark=dark)
    page.click(point(0))
    page.point_at(point(2))
    ground, ink = (
        luminance(page.run(f"getComputedStyle({of}).{kind}"))
        for of, kind in (
            ("document.body", "backgroundColor"),
            ("document.querySelector('.card text')", "fill"),
        )
    )
    assert (ground < 0.05) == dark
    high, low = max(ground, ink), min(ground, ink)
    assert (high + 0.05) / (low + 0.05) > 7
    page.picture(tmp_path / "page.png")
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(np.uint32)
    seen = pixels @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    for colour in ("#0072B2", "#D55E00", *(look["colour"] for look in channel_looks(CHANNELS))):
        assert (seen == int(colour[1:], 16)).sum() > 20, colour
