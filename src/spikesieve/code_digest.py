"""A digest of the logic a script depends on, blind to comments, docstrings and layout.

Snakemake reruns a rule when its params change. With this digest among them, an edit anywhere in
the import closure of a script reruns exactly the rules whose script imports the edited module,
and rewording a comment reruns nothing. Files of another kind that a module has beside it under its
own name (``unit_map.js`` of ``unit_map.py``: what its page runs) count as they are; those that bear
no module's name belong to the package that they lie in.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

PACKAGE = "spikesieve"
#: Kinds of file that a module may read from beside it.
_BESIDE = {".js", ".css", ".html"}


def code_digest(script: str | PathLike, source_root: str | PathLike) -> str:
    """Return 16 hexadecimal digits that stand for ``script`` and all it imports of the package.

    ``source_root`` is the folder that holds the package. Imports inside functions count.
    Raises ``SyntaxError`` when a file cannot be parsed.
    """
    found = import_closure(script, source_root)
    digest = hashlib.sha256()
    for module in sorted(found):
        digest.update(f"{module}\0{_logic(found[module])}\0".encode())
        for beside in _files_beside(found[module]) if module else ():
            digest.update(f"{beside.name}\0".encode() + beside.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def import_closure(script: str | PathLike, source_root: str | PathLike) -> dict[str, Path]:
    """Return the file of each of the package's modules that ``script`` imports, and what they
    import; that of the script itself under no name."""
    root = Path(source_root)
    found, todo = {"": Path(script)}, _imports(Path(script), root)
    while todo:
        module = todo.pop()
        if module not in found:
            found[module] = _file_of(module, root)
            todo |= _imports(found[module], root)
    return found


def _file_of(module: str, root: Path) -> Path | None:
    path = root / module.replace(".", "/")
    return next((p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file()), None)


def _files_beside(file: Path) -> list[Path]:
    """Return the files that differ from a module's own in their suffix only; of a package, those
    in its folder that are beside no module.
    """
    inside = sorted(p for p in file.parent.iterdir() if p.suffix in _BESIDE)
    if file.name == "__init__.py":
        return [p for p in inside if not p.with_suffix(".py").is_file()]
    return [p for p in inside if p.stem == file.stem]


def _imports(file: Path, root: Path) -> set[str]:
    """Return the package's modules that ``file`` imports, their parent packages among them."""
    names = set()
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {n for n in names if n.split(".")[0] == PACKAGE}
    ours |= {parent for n in ours for parent in _parents(n)}
    return {n for n in ours if _file_of(n, root)}


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


@functools.cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@functools.cache
def _logic(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and (ast.get_docstring(node, clean=False) is not None):
            node.body = node.body[1:]
    return ast.dump(tree)
