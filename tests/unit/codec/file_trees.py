"""Files and directories that tests make, and what they find in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def make_tree(root: Path, files: Mapping[str, bytes], *, runs: str = "", empty: str = "") -> Path:
    """Make a directory with these files, of which ``runs`` can be executed; return it."""
    root.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
        path.chmod(0o755 if name == runs else 0o644)
    if empty:
        (root / empty).mkdir(parents=True)
    return root


def read_tree(root: Path) -> dict[str, bytes | None]:
    """Return what is in a directory: contents of files, None for directories."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in root.rglob("*")
    }
