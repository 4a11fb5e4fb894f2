"""The part of the second implementation that knows files and directories."""

from __future__ import annotations

from typing import Any

from blake3 import blake3
from tests.format import spec_hashing as spec

from mandala_cas.model.files import Dir, File


def encode(value: Any) -> bytes | None:
    """Return the encoding of a file or a directory; None for anything else."""
    if type(value) is File:
        return _encode_file(value)
    return _encode_directory(value) if type(value) is Dir else None


def _encode_file(value: File) -> bytes:
    """Return the encoding of a file."""
    contents = value.path.read_bytes()
    name = "File" if value.copy else "TrackedFile"
    return spec.record(name, len(contents), blake3(contents).digest())


def _encode_directory(value: Dir) -> bytes:
    """Return the encoding of a directory."""
    files, empty = [], []
    for path in value.path.rglob("*"):
        name = path.relative_to(value.path).as_posix()
        if path.is_dir():
            empty += [] if any(path.iterdir()) else [name]
            continue
        contents = path.read_bytes()
        runs = bool(path.stat().st_mode & 0o100)
        files.append((name, runs, len(contents), blake3(contents).digest()))
    files.sort(key=lambda file: file[0].encode())
    name = "Dir" if value.copy else "TrackedDir"
    return spec.record(name, files, sorted(empty, key=str.encode))
