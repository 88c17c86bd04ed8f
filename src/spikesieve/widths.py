"""Bin widths as they stand in the configuration and in paths."""


def whole_multiple(wide: float, narrow: float) -> int | None:
    """Return how many bins of width ``narrow`` make one of ``wide``; None where none do.

    Rounding aside: 0.3 is three times 0.1, though not in binary.
    """
    ratio = wide / narrow
    factor = round(ratio)
    return factor if factor >= 1 and abs(ratio - factor) < 1e-9 * factor else None


def width_text(width: float) -> str:
    """Return ``width`` as text that reads back as the same number, without a needless ``.0``."""
    return str(int(width)) if width == int(width) else repr(float(width))
