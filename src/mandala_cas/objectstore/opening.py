"""From what a user writes to an object store: a path, a URL, or a file system object."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.local import LocalObjectStore

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

Engine = Literal["fsspec", "obstore", "auto"]

# Two letters or more: C: is a drive.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?(.*)", re.DOTALL)
_LOCAL: Final = frozenset({"file", "local"})
# What people mean who forget a slash; elsewhere a colon is part of a path.
_WELL_KNOWN: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})


def open_object_store(
    where: str | os.PathLike[str] | AbstractFileSystem,
    storage_options: Mapping[str, Any] | None = None,
    *,
    engine: Engine = "fsspec",
) -> ObjectStore:
    """Return the object store at ``where``; nothing is read or made yet.

    ``where`` is a path (``~`` is the home directory), a URL, or an fsspec file system that knows
    its root: ``DirFileSystem("bucket/folder", fs)``. ``storage_options`` are for URLs.

    ``engine`` is what sends the requests to a URL: ``fsspec``, which knows every protocol,
    ``obstore``, which is faster on S3, Google Cloud Storage and Azure, or ``auto``, which is
    obstore where it is installed and can do what ``storage_options`` ask for, else fsspec.

    Raises:
        UsageError: it cannot be the place of a store, the package for its protocol is missing, or
            the engine cannot reach it.
    """
    if engine not in get_args(Engine):
        raise UsageError(
            f"there is no engine {engine!r}; choose 'fsspec', 'obstore' or 'auto'", engine=engine
        )
    options = dict(storage_options or {})
    found = _SCHEME.match(where) if isinstance(where, str) else None
    scheme = found[1].lower() if found else ""
    if isinstance(where, str) and found and scheme not in _LOCAL and "://" in where:
        return _open_url(where, options, engine)
    if engine == "obstore":
        raise UsageError(
            "the engine obstore reaches stores by s3://, gs:// and az:// only; leave engine out",
            engine=engine,
        )
    if isinstance(where, os.PathLike):
        return _open_directory(os.fspath(where), options)
    if not isinstance(where, str):
        return _open_filesystem(where, options)
    if found and scheme in _LOCAL:
        return _open_directory(found[3], options)
    if found and scheme in _WELL_KNOWN:
        raise UsageError(
            f"{where!r} is neither a URL nor likely a path; write '{scheme}://{found[3].lstrip('/')}'"
        )
    return _open_directory(where, options)


def _open_url(url: str, options: Mapping[str, Any], engine: Engine) -> ObjectStore:
    """Return the store at a URL, which asks again where that helps."""
    from mandala_cas.objectstore.remote import RemoteObjectStore  # noqa: PLC0415 (heavy)
    from mandala_cas.objectstore.retrying import RetryingObjectStore  # noqa: PLC0415 (heavy)

    if engine == "obstore":
        return RetryingObjectStore(RemoteObjectStore.with_obstore(url, options))
    if engine == "auto" and find_spec("obstore") is not None:
        # What is wrong with the URL itself, fsspec will say as well.
        with suppress(UsageError):
            return RetryingObjectStore(RemoteObjectStore.with_obstore(url, options))
    return RetryingObjectStore(RemoteObjectStore.from_url(url, options))


def _open_directory(path: str | bytes, options: Mapping[str, Any]) -> LocalObjectStore:
    """Return the store in a directory, which need not be there yet."""
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise UsageError(f"{path!r} is no path; write one such as './results'")
    if options:
        raise UsageError(
            f"storage options {sorted(options)} were given for {path!r}, which is a directory and "
            "has none; leave them out, or give a URL"
        )
    try:
        directory = Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"cannot find the home directory in {path!r}; write it out") from error
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{path!r} is a file; a store is a directory, choose another path")
    return LocalObjectStore(directory)


def _open_filesystem(fs: AbstractFileSystem, options: Mapping[str, Any]) -> ObjectStore:
    """Return the store in what a user handed in."""
    from fsspec.implementations.dirfs import DirFileSystem  # noqa: PLC0415 (heavy)
    from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415 (heavy)
    from fsspec.spec import AbstractFileSystem as FileSystem  # noqa: PLC0415 (heavy)

    from mandala_cas.objectstore.remote import RemoteObjectStore  # noqa: PLC0415 (heavy)
    from mandala_cas.objectstore.retrying import RetryingObjectStore  # noqa: PLC0415 (heavy)

    if not isinstance(fs, FileSystem):
        raise UsageError(
            f"a store is opened at a path, a URL or an fsspec file system, not {type(fs).__name__}"
        )
    if options:
        raise UsageError(
            f"storage options {sorted(options)} were given beside a file system, which has its "
            "own; leave them out"
        )
    if not isinstance(fs, DirFileSystem):
        raise UsageError(
            f"this {type(fs).__name__} does not say where in it the store is; wrap it: "
            "fsspec.implementations.dirfs.DirFileSystem('bucket/folder', fs)"
        )
    if isinstance(fs.fs, LocalFileSystem):
        # fsspec would write in place, so that a crash leaves half an object.
        return _open_directory(fs.path, {})
    return RetryingObjectStore(RemoteObjectStore.on_filesystem(fs.fs, fs.path))
