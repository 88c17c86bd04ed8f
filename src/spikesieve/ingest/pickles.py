"""Unpickling tables from elsewhere: only the classes named here, nothing else is imported.

A pickle is a program. This one may call what an old pandas table of numbers, strings and masked
arrays is made of, under the names that numpy 1 and pandas 2 wrote or those of their successors.
"""

import importlib
import io
import pickle
from os import PathLike

from spikesieve.errors import InputError

_NUMPY = {
    ("numpy", "ndarray"): "numpy",
    ("numpy", "dtype"): "numpy",
    ("numpy.ma", "MaskedArray"): "numpy.ma",
    ("numpy.ma.core", "MaskedArray"): "numpy.ma",
    ("numpy.ma.core", "_mareconstruct"): "numpy.ma.core",
    ("numpy.core.multiarray", "_reconstruct"): "numpy._core.multiarray",
    ("numpy._core.multiarray", "_reconstruct"): "numpy._core.multiarray",
    ("numpy.core.numeric", "_frombuffer"): "numpy._core.numeric",
    ("numpy._core.numeric", "_frombuffer"): "numpy._core.numeric",
}
_PANDAS = {
    ("pandas.core.frame", "DataFrame"): "pandas",
    ("pandas", "DataFrame"): "pandas",
    ("pandas.core.indexes.base", "Index"): "pandas",
    ("pandas", "Index"): "pandas",
    ("pandas.core.indexes.multi", "MultiIndex"): "pandas",
    ("pandas", "MultiIndex"): "pandas",
    ("pandas.core.indexes.base", "_new_Index"): "pandas.core.indexes.base",
    ("pandas.core.internals.managers", "BlockManager"): "pandas.core.internals.managers",
    ("pandas._libs.internals", "_unpickle_block"): "pandas._libs.internals",
}
#: ``(module, name)`` in the pickle -> the module that has it today.
ALLOWED = {("builtins", "slice"): "builtins"} | _NUMPY | _PANDAS


def load_pickle(
    content: bytes, *, recording: str | None = None, path: str | PathLike | None = None
) -> object:
    """Return the table pickled in ``content``; ``recording`` and ``path`` are named in errors.

    Raises
    ------
    InputError
        A class off the allow-list (named; neither imported nor run), or a damaged pickle.
    """
    about = {"recording": recording, "path": path}
    try:
        return _Unpickler(io.BytesIO(content), about).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise whatever its opcodes come upon
        raise InputError(
            f"damaged pickle ({type(error).__name__}: {error})", **about, fix="fetch it again"
        ) from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, about: dict):
        super().__init__(file)
        self.about = about

    def find_class(self, module: str, name: str) -> object:
        home = ALLOWED.get((module, name))
        if home is None:
            raise InputError(
                f"the pickle asks for {module}.{name}",
                **self.about,
                allowed="pandas tables and numpy arrays",
                fix="do not use this file; fetch it from its authors and check its sha256",
            )
        return getattr(importlib.import_module(home), name)
