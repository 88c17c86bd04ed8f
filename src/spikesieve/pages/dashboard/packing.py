"""What a page holds as one text: JSON and arrays together, deflated, then base64."""

import base64
import json
import zlib

import numpy as np
from jaxtyping import Float, Int, Shaped

#: Stands for NaN among 16-bit numbers.
NONE_16 = -32768
LARGEST_16 = 32767

_KINDS = {"u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"}
#: Arrays start at multiples of this, as typed arrays of a browser must.
_ALIGNED = 8


def pack(content: dict) -> str:
    """Return ``content``, in which arrays may stand anywhere, as text for ``store.js``.

    Deflated are: the length of the JSON in 4 bytes; the JSON, with ``{"type", "at", "length"}``
    for each array; then the arrays, little-endian in row-major order, each at a multiple of 8
    bytes from where the first of them starts.

    Raises
    ------
    ValueError
        A number is not finite, or an array has a type that browsers lack.
    """
    pieces, at = [], 0

    def placed(value):
        nonlocal at
        if isinstance(value, dict):
            return {key: placed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [placed(inner) for inner in value]
        if not isinstance(value, np.ndarray):
            return value
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        kind = f"{little.dtype.kind}{little.dtype.itemsize}"
        if kind not in _KINDS:
            raise ValueError(f"no typed array of {value.dtype}")
        pieces.append(little.tobytes() + bytes(-little.nbytes % _ALIGNED))
        about = {"type": kind, "at": at, "length": little.size}
        at += len(pieces[-1])
        return about

    index = json.dumps(placed(content), allow_nan=False, separators=(",", ":")).encode()
    index += b" " * (-(len(index) + 4) % _ALIGNED)
    whole = b"".join([len(index).to_bytes(4, "little"), index, *pieces])
    return base64.b64encode(zlib.compress(whole, 7)).decode()


def unpack(text: str) -> dict:
    """Return what ``pack`` was given, arrays flattened: what a browser makes of it."""
    whole = zlib.decompress(base64.b64decode(text))
    start = 4 + int.from_bytes(whole[:4], "little")

    def array(about):
        if about.keys() != {"type", "at", "length"}:
            return about
        return np.frombuffer(whole, f"<{about['type']}", about["length"], start + about["at"])

    return json.loads(whole[4:start], object_hook=array)


def smallest_unsigned(values: Int[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Return whole numbers in the smallest unsigned type that holds them."""
    largest = values.max(initial=0)
    kind = next(k for k in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(k).max)
    return values.astype(kind)


def sixteen_bits(
    values: Float[np.ndarray, "row *rest"],
) -> tuple[Int[np.ndarray, "row *rest"], Float[np.ndarray, "row"]]:
    """Return values as 16-bit shares of the largest in their row, and that largest value.

    A share is off by less than 1/65,000. NaN becomes ``NONE_16``; the scale of a row of zeros
    or NaN is 0.
    """
    there = np.isfinite(values)
    axes = tuple(range(1, values.ndim))
    scale = np.where(there, np.abs(values), 0).max(axis=axes, initial=0.0)
    wide = scale.reshape(-1, *[1] * len(axes))
    share = np.where(there, values, 0) / np.where(wide > 0, wide, 1)
    whole = np.where(there, np.round(share * LARGEST_16), NONE_16)
    return whole.astype(np.int16), scale


def numbers(values, digits: int = 5) -> list[float | None]:
    """Return numbers for JSON, with so many digits; null where they are not finite."""
    values = np.asarray(values, dtype=np.float64)
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in values]
