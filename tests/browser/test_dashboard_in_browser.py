"""The page of features in a real browser, which has no network."""

import csv
import io
import json
import time

import numpy as np
import pytest
from browser import SHIFT
from dashboard_samples import BIN_S, HOSTILE, VARIABLES, bare_tables, sample_firing, sample_tables
from map_samples import small_map
from PIL import Image
from test_unit_map_in_browser import luminance

from spikesieve.pages.dashboard.page import dashboard_page
from spikesieve.pages.document import write_page
from spikesieve.pages.unit_map import unit_map_page

N_LATENTS, N_BINS = 120, 4800
#: Figures that must hold something whatever is chosen.
PLOTTED = ("time", "tuning", "triggered", "histogram")


@pytest.fixture(scope="module")
def tables():
    return sample_tables(N_LATENTS, N_BINS, per_bin=2)[0]


@pytest.fixture(scope="module")
def path(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "features.html"
    unit_map = unit_map_page(*small_map(12, ("first", HOSTILE)), title="Units")
    given = {"title": "Features & <more>", "bin_s": BIN_S, "unit_map": unit_map}
    write_page(path, dashboard_page(tables, sample_firing(n_bins=N_BINS), **given))
    return path


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A page of 24 latents, some negative, of a recording without spike times or map."""
    path = tmp_path_factory.mktemp("page") / "counted.html"
    small = sample_tables(n_latents=24, n_bins=1200, negative=True)[0]
    firing = sample_firing(n_bins=1200, counts=True)
    write_page(path, dashboard_page(small, firing, title="Counts", bin_s=BIN_S))
    return path


def ready(page):
    """Wait until the page is unpacked and drawn."""
    stop = time.monotonic() + 30
    while page.run("document.documentElement.dataset.ready") != "yes":
        assert time.monotonic() < stop, page.problems
        time.sleep(0.02)


def opened(page, path, address="", **size):
    page.open(path, **size)
    ready(page)
    if address:
        page.run(f"location.hash = {address!r}; readAddress()")
    return page


def wait_for(page, condition):
    stop = time.monotonic() + 10
    while not page.run(condition):
        assert time.monotonic() < stop, condition
        time.sleep(0.02)


@pytest.fixture
def shown(page, path):
    yield opened(page, path, "#latent=17")
    assert page.problems == []


def text(page, selector):
    return page.run(f"document.querySelector({selector!r}).textContent")


def texts(page, selector):
    return page.run(f"[...document.querySelectorAll({selector!r})].map((n) => n.textContent)")


def chosen(page):
    return page.run("[state.latent, state.compare]")


def listed(page):
    return page.run(
        "[...document.querySelectorAll('#scroll tbody tr')].map((r) => +r.dataset.latent)"
    )


def search(page, words):
    page.run("byId('search').focus(); byId('search').select()")
    page.write(words)
    return listed(page)


def drawn(page, figure):
    """How many pixels of a figure's canvases differ from the ground."""
    return page.run(
        f"[...document.querySelectorAll('#{figure} canvas')].reduce((sum, c) => sum + "
        "c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        ".reduce((n, v, i) => n + (i % 4 === 3 && v > 0), 0), 0)"
    )


def test_it_opens_without_a_network_and_without_an_error(page, path):
    opened(page, path)
    assert page.requests == [path.as_uri()]
    assert page.problems == []
    assert text(page, "h1") == page.run("document.title") == "Features & <more>"
    assert len(listed(page)) == N_LATENTS
    assert f"{N_LATENTS} latents" in text(page, "#overview")
    for figure in (*PLOTTED, "moments"):
        assert drawn(page, figure) > 1000, figure


def test_no_label_or_area_can_run_or_become_an_element(shown, tables):
    hostile = int(np.flatnonzero(tables.summary["label"] == HOSTILE)[0])
    for latent in (hostile, 17):
        shown.run(f"choose({latent})")
        shown.point_at("#units tr[data-unit]")
    assert HOSTILE in texts(shown, "#units td.area")
    assert shown.run("window.hacked === undefined")
    assert shown.run("document.querySelectorAll('main img, main script').length") == 0
    shown.run(f"choose({hostile})")
    assert HOSTILE in text(shown, "#names h2")


def test_the_page_may_fetch_and_run_nothing_more(page, path):
    opened(page, path)
    page.run("document.body.append(Object.assign(new Image(), {src: 'https://example.com/a.png'}))")
    page.run(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.hacked = 1'}))"
    )
    assert page.run("window.hacked === undefined")
    page.wait(lambda: page.refused and len(page.problems) == 2)
    assert page.refused == ["csp"]


def test_the_numbers_that_are_drawn_are_those_of_the_tables(shown, tables):
    for latent in (17, 6, 100):
        own = tables.latents[tables.latents["latent"] == latent]
        found = shown.run(f"[...activationOf({latent}).bin]")
        assert found == own["bin"].tolist()
        values = shown.run(f"[...activationOf({latent}).value]")
        np.testing.assert_allclose(values, own["activation"], atol=own["activation"].max() / 250)
        one = tables.tuning.query("latent == @latent and variable == 'image'")
        mean = shown.run(f"tuningOf(data.tuning.find((c) => c.name === 'image'), {latent}).mean")
        np.testing.assert_allclose(mean, one.sort_values("order")["mean"], atol=1e-4)


def test_where_bins_share_a_pixel_the_strongest_is_drawn(shown, tables):
    own = tables.latents[tables.latents["latent"] == 17]
    x, y = (np.array(v, float) for v in shown.run("peaks(17, 100)"))
    group = np.searchsorted(x, own["bin"] * BIN_S + 1e-9, side="right") - 1
    expected = np.zeros(len(x))
    np.maximum.at(expected, group, own["activation"].to_numpy(float))
    there = ~np.isnan(y)
    np.testing.assert_allclose(y[there], expected[there], atol=0.02)
    assert there.mean() > 0.98
    shown.run("view(10, 12)")
    x, y = (np.array(v, float) for v in shown.run("peaks(17, 1000)"))
    np.testing.assert_allclose(np.diff(x), BIN_S)  # every bin for itself


def test_nothing_is_drawn_where_nothing_was_read(shown, tables):
    first, *_, last = np.flatnonzero(tables.split == "gap")
    shown.run(f"view({(first - 20) * BIN_S}, {(last + 21) * BIN_S})")
    x, y = (np.array(v, float) for v in shown.run("peaks(17, 2000)"))
    bins = np.round(x / BIN_S).astype(int)
    quiet = ~np.isin(bins, tables.latents.query("latent == 17")["bin"])
    inside = (bins >= first) & (bins <= last)
    assert np.isnan(y[inside & quiet]).all()
    assert (y[~inside & quiet & (bins < N_BINS)] == 0).all()


def test_search_finds_numbers_words_and_flags(shown, tables):
    summary = tables.summary
    assert search(shown, "#17") == [17]
    assert 17 in search(shown, "17")
    assert search(shown, "dead") == [5]
    assert search(shown, "dense") == [6]
    found = search(shown, "named orientation level 1")
    expected = summary.query("named and variable == 'orientation' and level == 1")["latent"]
    assert sorted(found) == sorted(expected)
    assert text(shown, "#found") == f"{len(found)} of {N_LATENTS}"
    assert sorted(search(shown, "parent")) == [0]
    found = search(shown, '"place = 0, 10"')
    assert sorted(found) == sorted(summary.query("label == '0, 10'")["latent"])
    assert search(shown, "nothing like it") == []
    shown.press("ArrowDown")
    assert chosen(shown)[0] == 17
    shown.run("byId('search').value = ''; listAgain()")
    assert len(listed(shown)) == N_LATENTS


def test_a_column_sorts_both_ways_and_what_is_unknown_comes_last(shown, tables):
    auroc = tables.summary["auroc"].to_numpy()
    for direction, sign in (("ascending", 1), ("descending", -1)):
        shown.click("#scroll th.auroc button")
        order = listed(shown)
        assert order[-1] == 5  # dead: no score
        assert (np.diff(auroc[order[:-1]]) * sign >= -1e-5).all()
        assert shown.run("document.querySelector('th.auroc').ariaSort") == direction
    shown.click("#scroll th.latent button")
    assert listed(shown) == list(range(N_LATENTS))
    shown.click("#scroll th.name button")
    named = texts(shown, "#scroll tbody td.name")
    images = [name for name in named if "image = image" in name]
    assert [int(name.split("image ")[-1].split()[0]) for name in images] == sorted(
        int(name.split("image ")[-1].split()[0]) for name in images
    )


def test_a_click_selects_and_all_parts_follow(shown, tables):
    shown.click("#scroll th.latent button")
    before = shown.run("peaks(state.latent, 100)[1]")
    shown.click("#scroll tr[data-latent='40'] td.density")
    assert chosen(shown) == [40, None]
    assert shown.run("location.hash") == "#latent=40"
    assert shown.run("peaks(state.latent, 100)[1]") != before
    assert "Latent 40" in text(shown, "#names h2")
    assert text(shown, "#units caption") == "Latent 40"
    best = tables.sources.query("latent == 40").sort_values("weight", key=lambda w: -w.abs())
    assert texts(shown, "#units tbody tr td:first-child") == [
        str(unit) for unit in best["unit_id"].head(12)
    ]
    assert (
        shown.run("document.querySelector('#scroll tr[aria-selected=true]').dataset.latent") == "40"
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("#latent=3", [3, None]),
        ("#latent=17&compare=3", [17, 3]),
        ("#latent=17&compare=17", [17, None]),
        ("#latent=99999", [0, None]),
    ],
)
def test_the_address_tells_what_is_shown(page, path, address, expected):
    """A link is opened, not a page and then a link in it."""
    page.problems.clear()
    for url in ("about:blank", path.resolve().as_uri() + address):
        seen = page.loads
        page.call("Page.navigate", url=url)
        page.wait(lambda seen=seen: page.loads > seen)
    ready(page)
    if address.endswith("99999"):
        assert "no latent 99999" in text(page, "#trouble")
    else:
        assert chosen(page) == expected
        assert page.run("byId('trouble').hidden")
    assert page.problems == []


def test_a_variable_and_a_tab_in_the_address_are_kept(page, path):
    opened(page, path, "#latent=17&variable=image")
    assert text(page, "#tuning figcaption > span") == "Tuning to image"
    page.click("#tab-about")
    assert page.run("location.hash") == "#latent=17&variable=image&tab=about"
    assert "uPlot" in text(page, "#about")
    assert page.problems == []


def test_the_keyboard_alone_is_enough(shown):
    shown.run("document.activeElement.blur()")
    shown.press("Home")
    order = listed(shown)
    assert chosen(shown)[0] == order[0]
    for key, place in (("ArrowDown", 1), ("ArrowRight", 2), ("PageDown", 12), ("ArrowUp", 11)):
        shown.press(key)
        assert chosen(shown)[0] == order[place]
    shown.press("ArrowLeft", "PageUp", "PageUp")
    assert chosen(shown)[0] == order[0]
    shown.press("End")
    assert chosen(shown)[0] == order[-1]
    shown.press("Home", "c")
    assert chosen(shown) == [order[1], order[0]]
    shown.press("ArrowDown")
    assert chosen(shown) == [order[2], order[0]]
    shown.press("Escape")
    assert chosen(shown) == [order[2], None]
    shown.press("/")
    assert shown.run("document.activeElement.id") == "search"
    shown.write("position")
    shown.press("ArrowDown")
    assert chosen(shown)[0] in listed(shown)


def test_the_chosen_row_stays_in_sight(shown):
    shown.run("document.activeElement.blur()")
    shown.press("Home", "PageDown", "PageDown", "PageDown", "PageDown", "PageUp")
    row, box, head = (
        shown.run(f"document.querySelector({what!r}).getBoundingClientRect().toJSON()")
        for what in ("#scroll tr[aria-selected=true]", "#scroll", "#scroll thead")
    )
    assert head["bottom"] <= row["top"] + 1
    assert row["bottom"] <= box["bottom"] + 1


def test_two_latents_stand_beside_each_other(shown):
    assert shown.run("plots.get('time').length") == 1
    shown.click("#scroll th.latent button")
    shown.click("#scroll tr[data-latent='21'] td.density", modifiers=SHIFT)
    assert chosen(shown) == [17, 21]
    assert len(texts(shown, "#names h2")) == 2
    assert shown.run("plots.get('time').length") == 2
    assert shown.run("plots.get('tuning')[0].series.length") == 3
    for figure in ("units", "companions", "matches"):
        assert texts(shown, f"#{figure} caption") == ["Latent 17", "Latent 21"]
    assert shown.run("document.querySelectorAll('#moments canvas').length") == 2
    shown.click("#unpin")
    assert chosen(shown) == [17, None]
    shown.run("byId('compare').focus()")
    shown.write("30")
    shown.press("Enter")
    assert chosen(shown) == [17, 30]


def test_pointing_at_a_time_reads_it_in_every_plot(shown, tables):
    shown.run("choose(17, {compare: 21})")
    bin_ = int(tables.latents.query("latent == 17")["bin"].iloc[20])
    shown.run(f"view({(bin_ - 20) * BIN_S}, {(bin_ + 21) * BIN_S})")
    shown.point_at("#time .u-over")
    second, first, other, *words = text(shown, "#time-readout").split("  \u00b7  ")
    assert bin_ * BIN_S <= float(second.removesuffix(" s")) <= (bin_ + 1) * BIN_S
    value = tables.latents.query("latent == 17 and bin == @bin_")["activation"].iloc[0]
    assert float(first.removeprefix("latent 17: ")) == pytest.approx(value, abs=0.02)
    assert other.startswith("latent 21: ")
    assert words[-1] == tables.split[bin_]
    lefts = shown.run("plots.get('time').map((p) => Math.round(p.cursor.left))")
    assert lefts[0] == lefts[1] > 0


def test_dragging_zooms_and_a_double_click_shows_all(shown):
    middle = shown.middle("#time .u-over")
    shown.drag(middle, (middle[0] + 100, middle[1]))
    from_, to = shown.run("[state.from, state.to]")
    whole = N_BINS * BIN_S
    assert from_ == pytest.approx(whole / 2, rel=0.02)
    assert whole / 20 < to - from_ < whole / 3
    assert shown.run("[plots.get('time')[0].scales.x.min, plots.get('time')[0].scales.x.max]") == [
        from_,
        to,
    ]
    shown.click("[data-zoom=later]")
    assert shown.run("state.from") == pytest.approx((from_ + to) / 2)
    shown.click("[data-zoom=in]")
    assert shown.run("state.to - state.from") == pytest.approx((to - from_) / 3)
    shown.click("#time .u-over", times=2)
    assert shown.run("[state.from, state.to]") == [0, whole]


def test_pointing_at_a_unit_or_a_label_marks_it_elsewhere(shown):
    before = shown.run("document.querySelector('#moments canvas').toDataURL()")
    shown.point_at("#units tbody tr:nth-child(3)")
    assert shown.run("state.unit") is not None
    assert shown.run("document.querySelector('#moments canvas').toDataURL()") != before
    unit = texts(shown, "#units tr.pointed td:first-child")[0]
    assert unit in text(shown, "#moments .readout")
    shown.mouse("Moved", 2, 2)
    assert shown.run("state.unit") is None
    lanes = shown.run("byId('lanes').toDataURL()")
    shown.point_at("#tuning .u-over")
    assert shown.run("state.label") is not None
    assert shown.run("byId('lanes').toDataURL()") != lanes
    assert text(shown, "#tuning .readout").startswith(shown.run("state.label"))
    # A row of the raster is a unit too.
    shown.point_at("#moments canvas")
    assert shown.run("document.querySelectorAll('#units tr.pointed').length") == 1


def test_pairs_of_places_are_drawn_as_a_map(page, path, tables):
    place = int(tables.summary.query("variable == 'place'")["latent"].iloc[0])
    opened(page, path, f"#latent={place}")
    assert page.run("document.querySelectorAll('#tuning canvas').length") == 1
    assert page.run("plots.get('tuning').length") == 0
    page.point_at("#tuning canvas")
    assert text(page, "#tuning .readout").split(":")[0] in VARIABLES["place"][1]
    assert page.problems == []


def test_a_moment_is_shown_above_when_it_is_clicked(shown):
    bin_ = shown.run("momentsOf(17)[0]")
    shown.click("#moments button.moment")
    from_, to = shown.run("[state.from, state.to]")
    assert from_ <= bin_ * BIN_S <= to
    assert to - from_ < N_BINS * BIN_S / 10
    assert shown.run("state.moment.number") == 0


def test_a_companion_or_a_match_leads_on(shown):
    other = shown.run("data.latents.latent[companionsOf(17)[0].other]")
    shown.click("#companions button.link")
    assert chosen(shown) == [other, None]
    shown.click("#companions tbody button.small")
    assert chosen(shown)[1] is not None
    shown.click("#matches tbody tr:last-child button")
    assert shown.run("state.variable") == texts(shown, "#matches tbody tr button")[-1]


def test_a_dead_latent_says_so_in_every_part(page, path):
    opened(page, path, "#latent=5")
    assert page.problems == []
    for figure in ("time", "histogram", "moments"):
        assert "ever active" in text(page, f"#{figure} .lack"), figure
    assert empty_figures(page) == []


def empty_figures(page):
    figures = page.run("[...document.querySelectorAll('#chosen figure')].map((f) => f.id)")
    parts = (":not(#lanes):is(canvas)", ".lack", "td")
    found = {f: ", ".join(f"#{f} {part}" for part in parts) for f in figures}
    return [f for f in found if not page.run(f"document.querySelectorAll('{found[f]}').length")]


def test_a_recording_without_stimulus_says_what_is_missing(page, tmp_path):
    firing = sample_firing(n_bins=1200, counts=True)
    write_page(tmp_path / "x.html", dashboard_page(bare_tables(), firing, title="x", bin_s=BIN_S))
    opened(page, tmp_path / "x.html")
    assert page.problems == []
    assert empty_figures(page) == []
    assert "No stimulus" in text(page, "#tuning .lack")
    assert "No onset" in text(page, "#triggered .lack")
    assert "no unit" in text(page, "#units .lack")
    page.click("#pin")
    for figure in ("tuning", "units", "matches"):
        page.click(f"#{figure} [data-save=CSV]")
    assert page.problems == []


@pytest.mark.parametrize("figure", ["time", "tuning", "triggered", "histogram", "moments"])
def test_a_picture_can_be_saved(shown, tmp_path, figure):
    shown.keep_downloads(tmp_path)
    shown.click(f"#{figure} [data-save=PNG]")
    picture = np.asarray(Image.open(saved(tmp_path, f"latent_17_{figure}.png")).convert("RGB"))
    box = shown.run(f"byId('{figure}').getBoundingClientRect().toJSON()")
    assert picture.shape[1] == pytest.approx(2 * box["width"], abs=1)  # sharper than the screen
    assert 1.5 * box["height"] < picture.shape[0] < 2.5 * box["height"]
    assert (picture[0, 0] == 255).all()
    assert (picture[60:].std(axis=2) > 20).mean() > 0.0005  # something of colour


def saved(folder, name):
    stop = time.monotonic() + 10
    while not (folder / name).is_file():
        assert time.monotonic() < stop, list(folder.iterdir())
        time.sleep(0.02)
    return folder / name


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_numbers_can_be_saved(shown, tmp_path, tables):
    shown.keep_downloads(tmp_path)
    for figure in (
        "time",
        "tuning",
        "triggered",
        "histogram",
        "moments",
        "units",
        "companions",
        "matches",
    ):
        shown.click(f"#{figure} [data-save=CSV]")
    own = tables.latents.query("latent == 17")
    rows = rows_of(saved(tmp_path, "latent_17_time.csv"))
    np.testing.assert_allclose([float(r["time_s"]) for r in rows], own["bin"] * BIN_S)
    np.testing.assert_allclose([float(r["activation"]) for r in rows], own["activation"], atol=0.02)
    variable = tables.summary["variable"][17]
    tuning = tables.tuning.query("latent == 17 and variable == @variable").sort_values("order")
    rows = rows_of(saved(tmp_path, "latent_17_tuning.csv"))
    assert [r["label"] for r in rows] == tuning["label"].tolist()
    np.testing.assert_allclose([float(r["mean"]) for r in rows], tuning["mean"], rtol=1e-3)
    rows = rows_of(saved(tmp_path, "latent_17_triggered.csv"))
    assert len(rows) == len(tables.triggered.query("latent == 17 and variable == @variable"))
    counts = [int(r["n_bins"]) for r in rows_of(saved(tmp_path, "latent_17_histogram.csv"))]
    assert sum(counts) == len(own)
    rows = rows_of(saved(tmp_path, "latent_17_units.csv"))
    assert HOSTILE in {r["region"] for r in rows}
    assert len(rows_of(saved(tmp_path, "latent_17_moments.csv"))) > 50
    assert rows_of(saved(tmp_path, "latent_17_companions.csv"))
    assert rows_of(saved(tmp_path, "latent_17_matches.csv"))[0]["variable"] == variable
    search(shown, "named image")
    shown.click("#table-csv")
    rows = rows_of(saved(tmp_path, "latents.csv"))
    assert [int(r["latent"]) for r in rows] == listed(shown)
    assert {r["variable"] for r in rows} == {"image"}


def test_no_cell_of_a_table_is_a_formula(shown):
    fields = ["=1+1", "+x", "-2.5", "-x", "@x", 'a"b', "a,b", "a\nb", ""]
    found = shown.run(f"{json.dumps(fields)}.map(field)")
    assert found == ["'=1+1", "'+x", "-2.5", "'-x", "'@x", '"a""b"', '"a,b"', '"a\nb"', ""]


def test_the_unit_map_is_a_second_tab(shown):
    shown.click("#tab-map")
    inside = "document.querySelector('#map iframe')?.contentDocument"
    wait_for(shown, f"{inside}?.querySelectorAll('#pca .unit').length === 12")
    assert shown.run("document.getElementById('features').hidden")
    frame, unit = (
        shown.run(f"{element}.getBoundingClientRect().toJSON()")
        for element in ("document.querySelector('#map iframe')", f"{inside}.querySelector('.unit')")
    )
    place = [
        frame[axis] + unit[axis] + unit[size] / 2
        for axis, size in (("x", "width"), ("y", "height"))
    ]
    shown.mouse("Moved", *place)
    wait_for(shown, f"{inside}.querySelectorAll('#details .card svg').length > 0")
    assert shown.run(f"{inside}.defaultView.hacked === undefined")
    shown.click("#tab-features")
    assert not shown.run("document.getElementById('features').hidden")
    assert drawn(shown, "time") > 1000


def test_counts_stand_in_for_spike_times_and_signs_are_kept(page, counted):
    opened(page, counted, "#latent=3")
    assert page.problems == []
    assert page.run("byId('tab-map').hidden")
    assert "counts of the units" in text(page, "#moments figcaption")
    assert drawn(page, "moments") > 1000
    assert page.run("Math.min(...activationOf(3).value) < 0")
    assert page.run("plots.get('time')[0].scales.y.min < 0")


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_it_fits_the_window_and_nothing_overlaps(page, path, width):
    opened(page, path, "#latent=17&compare=3", width=width, height=900)
    assert page.run("document.documentElement.scrollWidth") <= width
    parts = "[...document.querySelectorAll('#chosen > *')]"
    boxes = page.run(f"{parts}.map((part) => part.getBoundingClientRect().toJSON())")
    for i, one in enumerate(boxes):
        assert one["width"] > 100
        for other in boxes[i + 1 :]:
            apart = (
                one["right"] <= other["left"] + 1
                or other["right"] <= one["left"] + 1
                or one["bottom"] <= other["top"] + 1
                or other["bottom"] <= one["top"] + 1
            )
            assert apart, (one, other)
    inside = page.run(
        "[...document.querySelectorAll('#chosen figure canvas')].every((c) =>"
        " c.getBoundingClientRect().right <= c.closest('figure').getBoundingClientRect().right + 1)"
    )
    assert inside


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_by_day_and_by_night(page, path, dark):
    opened(page, path, "#latent=17&compare=3", dark=dark)
    ground = luminance(page.run("getComputedStyle(document.body).backgroundColor"))
    assert (ground < 0.05) == dark
    for selector, least in (
        ("#names h2.first", 4),
        ("#names h2.second", 3.5),
        ("#scroll td.name", 7),
        (".readout", 4.5),
    ):
        ink = luminance(page.run(f"getComputedStyle(document.querySelector({selector!r})).color"))
        high, low = max(ground, ink), min(ground, ink)
        assert (high + 0.05) / (low + 0.05) > least, selector
    axes = page.run("colour('ink')"), page.run("colour('ground')")
    assert axes == (("#e8eaed", "#15181c") if dark else ("#1d2126", "#ffffff"))
    for figure in PLOTTED:
        assert drawn(page, figure) > 1000, figure


def test_a_thousand_latents_and_hours_of_bins_open_and_answer(page, tmp_path):
    """What is drawn after a key is what was asked for, with nothing left to wait for."""
    tables = sample_tables(n_latents=1024, n_bins=60_000, per_bin=4)[0]
    path = tmp_path / "large.html"
    firing = sample_firing(n_bins=60_000, rate_hz=2)
    write_page(path, dashboard_page(tables, firing, title="Large", bin_s=BIN_S))
    opened(page, path)
    assert len(listed(page)) == 1024
    for _ in range(5):
        page.press("ArrowDown")
        place = chosen(page)[0]
        assert page.run("plots.get('time')[0].place") == place
        assert text(page, "#units caption") == f"Latent {place}"
    assert page.run("peaks(state.latent, 1000)[0].length") <= 1002
    assert page.problems == []
