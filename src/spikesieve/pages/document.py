"""A page in one file: its style, script and data inside, and nothing that it may fetch."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from os import PathLike

from spikesieve.errors import InputError
from spikesieve.files import atomic_path

#: Larger pages load slowly, and mail servers refuse them.
LARGEST_BYTES = 10_000_000

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; {allowed}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""

_ALLOWED = "script-src {script}; style-src {style}"
_ALLOWED_PATTERN = re.compile(r"script-src (?P<script>[^;]*); style-src (?P<style>[^\"]*)")


def document(
    title: str,
    body: str,
    data: dict,
    *,
    style: str,
    script: str,
    inside: Sequence[str] = (),
) -> str:
    """Return a whole HTML page.

    The browser is told to run this script and style alone and to fetch nothing, so that no text
    in ``body`` or ``data`` can make the page do anything else.

    Parameters
    ----------
    title : plain text. ``body`` : HTML, whose author has escaped the text in it (``text``).
    data : what ``JSON.parse`` of the element ``data`` gives the script; no NaN (JSON has none).
    inside : whole pages that this one shows in frames (``srcdoc``). What a page allows binds its
        frames too, so that it has to allow their scripts and styles.
    """
    own = _ALLOWED.format(script=_hash(script), style=_hash(style))
    each = [_ALLOWED_PATTERN.search(policy).groupdict() for policy in (own, *inside)]
    allowed = _ALLOWED.format(**{kind: " ".join(e[kind] for e in each) for kind in each[0]})
    return _PAGE.format(
        allowed=allowed,
        title=text(title),
        body=body,
        data=script_json(data),
        style=style,
        script=script,
    )


def text(value) -> str:
    """Return ``value`` as text that is safe inside an element or an attribute of a page."""
    return html.escape(str(value))


def script_json(data: dict) -> str:
    """Return JSON that cannot end the script element that holds it, nor open a comment there."""
    content = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        content = content.replace(sign, f"\\u{ord(sign):04x}")
    return content


def write_page(path: str | PathLike, page: str) -> None:
    """Write ``page`` atomically; raises ``InputError`` where it has 10 MB or more."""
    content = page.encode()
    if len(content) >= LARGEST_BYTES:
        raise InputError(
            f"the page has {len(content) / 1e6:.1f} MB",
            path=path,
            allowed=f"under {LARGEST_BYTES / 1e6:g} MB",
            fix="show fewer units or recordings in one page",
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
