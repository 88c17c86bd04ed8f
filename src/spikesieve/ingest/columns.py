"""Columns of a source's tables: what counts as missing, as a number, as a region."""

from collections.abc import Collection

import numpy as np
import pandas as pd

#: Texts that stand for "does not apply", in lower case; the Allen Institute's is "null".
MISSING = ("", "null", "none", "nan", "n/a")
NO_REGION = (*MISSING, "unknown")
#: Names under which sources keep a unit's brain region, the most telling first.
REGION_COLUMNS = (
    "region",
    "ecephys_structure_acronym",
    "brain_region",
    "brain_area",
    "area",
    "location",
)


def as_text(values: pd.Series) -> pd.Series:
    """Return any column as strings: lists, arrays and mappings as Python writes them."""
    if values.dtype == object:
        values = values.map(_one_text, na_action="ignore")
    return values.astype("string")


def _one_text(value) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value.tolist() if isinstance(value, np.ndarray) else value)


def known_text(values: pd.Series, missing: Collection[str] = MISSING) -> pd.Series:
    """Return strings without blanks around them, missing where they are one of ``missing``."""
    text = as_text(values).str.strip()
    return text.mask(text.str.lower().isin(missing))


def conditions(frame: pd.DataFrame) -> pd.DataFrame:
    """Return condition columns as numbers where all that is known are numbers, else as strings.

    Allen's tables write a parameter that doesn't apply as the string "null", and some numbers
    as strings. Whole numbers are nullable, so that they stay whole where they don't apply.
    """
    columns = {str(name): _condition(values) for name, values in frame.items()}
    return pd.DataFrame(columns, index=frame.index)


def _condition(values: pd.Series) -> pd.Series:
    if values.dtype == object:  # numbers or booleans with gaps
        values = values.convert_dtypes()
    if pd.api.types.is_numeric_dtype(values):
        whole = values.dtype.kind in "iu" and values.dtype != np.uint64
        return values.astype("Int64") if whole else values
    text = known_text(values)
    numbers = pd.to_numeric(text, errors="coerce")
    return numbers if (numbers.notna() == text.notna()).all() else text


def prefix_source(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """Prefix the columns among ``names`` with ``source_``, again where that name is taken."""
    taken, renamed = set(frame) | set(names), {}
    for column in frame:
        if column in names:
            renamed[column] = f"source_{column}"
            while renamed[column] in taken:
                renamed[column] = f"source_{renamed[column]}"
            taken.add(renamed[column])
    return frame.rename(columns=renamed)
