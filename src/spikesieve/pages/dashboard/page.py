"""The page of a run's latents as one file."""

from pathlib import Path

from spikesieve.errors import InputError
from spikesieve.pages.dashboard.contents import Detail, Firing, Tables, contents
from spikesieve.pages.dashboard.packing import pack
from spikesieve.pages.document import LARGEST_BYTES, document, text

_HERE = Path(__file__).parent
#: In this order: each may use those before it.
SCRIPTS = (
    "store.js",  # first: it says "use strict" for all
    "uPlot.iife.min.js",
    "state.js",
    "latents.js",
    "plots.js",
    "time.js",
    "lanes.js",
    "grid.js",
    "curves.js",
    "triggered.js",
    "histogram.js",
    "moments.js",
    "lists.js",
    "export.js",
    "start.js",
)
STYLES = ("uPlot.min.css", "dashboard.css")

#: From most to least: the first with which the page is small enough is taken.
DETAILS = (Detail(1, 6), Detail(1, 4), Detail(1, 3), Detail(2, 3), Detail(4, 3), Detail(16, 2))


def dashboard_page(
    tables: Tables, firing: Firing, *, title: str, bin_s: float, unit_map: str | None = None
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    title : heading of the page, such as the recording and the run.
    bin_s : width of the bins in seconds; bin ``b`` starts at ``b * bin_s``.
    unit_map : the page of the recording's unit map, for a second tab.

    Raises
    ------
    InputError
        There is no latent, or the page has 10 MB or more even with the least detail.
    """
    if not len(tables.summary):
        raise InputError("there is no latent to show")
    for detail in DETAILS:
        content = contents(tables, firing, detail, bin_s)
        page = _page(content, title, unit_map)
        if len(page.encode()) < LARGEST_BYTES:
            return page
    raise InputError(
        f"the page has {len(page.encode()) / 1e6:.1f} MB with the least detail",
        allowed=f"under {LARGEST_BYTES / 1e6:g} MB",
        fix="show a run with fewer latents",
    )


def _page(content: dict, title: str, unit_map: str | None) -> str:
    data = {"content": pack(content | {"unit_map": unit_map})}
    licence = f"/*!\n{_read('uPlot.LICENSE')}\n*/"  # it has to go with every copy
    return document(
        title,
        _read("body.html").format(title=text(title)),
        data,
        style="".join(map(_read, STYLES)),
        script="\n".join([*map(_read, SCRIPTS), licence]),
        inside=[unit_map] if unit_map else [],
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
