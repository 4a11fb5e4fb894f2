"""Files and directories of the test vectors, made where temporary files go."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mandala_cas.model.files import Dir, File

_FOLDER = Path(tempfile.mkdtemp(prefix="hashing-values-"))
atexit.register(shutil.rmtree, _FOLDER)


def file(contents: bytes, name: str = "data.bin") -> File:
    """Return a file with these contents."""
    path = Path(tempfile.mkdtemp(dir=_FOLDER), name)
    path.write_bytes(contents)
    return File(path)


def tracked(contents: bytes) -> File:
    """Return a file with these contents that is to stay where it lies."""
    return File(file(contents).path, copy=False)


def tree(files: Mapping[str, bytes], runs: str = "", empty: str = "") -> Dir:
    """Return a directory with these files, of which ``runs`` can be executed.

    ``empty`` is the name of an empty directory in it.
    """
    root = Path(tempfile.mkdtemp(dir=_FOLDER))
    for name, contents in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
        path.chmod(0o755 if name == runs else 0o644)
    if empty:
        (root / empty).mkdir(parents=True)
    return Dir(root)


def tracked_tree(files: Mapping[str, bytes], runs: str = "", empty: str = "") -> Dir:
    """Return such a directory that is to stay where it lies."""
    return Dir(tree(files, runs, empty).path, copy=False)


NAMES: dict[str, Any] = {
    "file": file,
    "tracked": tracked,
    "tree": tree,
    "tracked_tree": tracked_tree,
}

VALUES = [
    "file(b'')",
    "file(b'a,b\\n1,2\\n', 'data.csv')",
    "file(bytes(65536))",
    "tracked(b'a,b\\n1,2\\n')",
    "tree({})",
    "tree({'a': b''})",
    "tree({'a.txt': b'1', 'b.txt': b'2'})",
    "tree({'b.txt': b'1', 'a.txt': b'2'})",
    "tree({'a': b'1', 'run.sh': b'2'}, runs='run.sh')",
    "tree({'a': b'1', 'run.sh': b'2'}, runs='a')",
    "tree({'b': b'1', 'a/c': b'2', 'a.x': b'3', 'a/b/d': b'4'}, empty='a/b/e')",
    "tree({'b': b'1', 'a/c': b'2', 'a.x': b'3', 'a/b/d': b'4'}, empty='e')",
    "tree({'\\u00e9\\U0001f40d': bytes(70000)}, empty='\\uffee')",
    "tracked_tree({})",
    "tracked_tree({'a': b'1', 'run.sh': b'2'}, runs='run.sh', empty='e')",
    "{'model': file(b'1'), 'more': [tracked(b'1'), tracked_tree({'a': b'1'})]}",
    "[file(b'1'), tree({'n%d' % i: b'' for i in range(50)})]",
]
