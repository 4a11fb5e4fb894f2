"""Opening of a store: find it, or make it where there is nothing, and refuse anything else."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.objectstore import layout
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.objectstore.opening import Engine, open_object_store
from mandala_cas.objectstore.readonly import ReadOnlyObjectStore
from mandala_cas.storage.config import StoreConfig, new_config, parse_config

# An fsspec filesystem that knows its root is welcome too; fsspec has no types to name it by.
Location = str | os.PathLike[str] | ObjectStore
Mode = Literal["rw", "r"]

_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_README: Final = b"""\
This is a store of mandala-cas: the recorded calls of somebody's functions, with their values.
Every object here except this one is immutable and named by its content or its writer.
Do not rename or edit anything: `pip install mandala-cas`, then `mandala_cas.Storage(<this place>)`.
"""


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store that was found or made; ``read_only`` says why nothing can be written, if so."""

    objects: ObjectStore
    config: StoreConfig
    read_only: str | None


def open_store(
    where: Location | None,
    storage_options: Mapping[str, Any] | None = None,
    *,
    mode: Mode = "rw",
    engine: Engine = "fsspec",
) -> OpenedStore:
    """Return the store at ``where``; with ``mode="rw"``, make one where nothing is.

    None is a new store in memory. ``engine`` is what sends the requests to a URL. A store with
    features that only a newer mandala-cas may write is opened for reading, whatever was asked. What
    is opened for reading is only ever listed and read.

    Raises:
        UsageError: ``where`` is a file, or holds something else than a store.
        NotFoundError: there is no store, and ``mode`` is "r".
        UnsupportedFormatError: a newer mandala-cas made the store.
        StoreUnavailableError: the place cannot be reached now.
    """
    objects: ObjectStore
    if where is None or isinstance(where, ObjectStore):
        if storage_options:
            raise UsageError(
                f"storage_options {sorted(storage_options)} are for URLs, and none was given; name "
                "the URL, or leave them out"
            )
        if engine == "obstore":
            raise UsageError(
                "an engine is for URLs, and none was given; name the URL, or leave engine out"
            )
        objects = MemoryObjectStore() if where is None else where
    else:
        if isinstance(where, str | os.PathLike):
            _refuse_file(where)
        objects = open_object_store(where, storage_options, engine=engine)
    try:
        config = _find(objects) if mode == "r" else _find_or_make(objects)
    except BaseException:
        objects.close()
        raise
    reason = _why_read_only(config, mode)
    if reason is not None:
        objects = ReadOnlyObjectStore(objects, reason)
    return OpenedStore(objects, config, reason)


def _why_read_only(config: StoreConfig, mode: Mode) -> str | None:
    """Return why nothing may be written to a store, or None if it may."""
    if mode == "r":
        return "it was opened with mode='r'; open it with mode='rw' to write"
    if config.unknown_write_features:
        return (
            f"writing needs {', '.join(config.unknown_write_features)}, which this mandala-cas "
            "does not know; upgrade it"
        )
    return None


def _find(objects: ObjectStore) -> StoreConfig:
    """Return the config that is there."""
    data = _config_bytes(objects)
    if data is None:
        raise NotFoundError(
            f"there is no store at {objects.url}; check the spelling, or open it with mode='rw' to "
            "make one",
            url=objects.url,
        )
    return parse_config(data, objects.url)


def _find_or_make(objects: ObjectStore) -> StoreConfig:
    """Return the config that is there, or the one that was made.

    The order of writes is README, then config: a crash in between leaves a folder that still
    counts as empty. Two processes may make the store at once; both use the config that stayed.
    """
    data = _config_bytes(objects)
    if data is None:
        _refuse_foreign(objects)
        objects.put(layout.README, [_README])
        objects.create(layout.CONFIG, new_config(str(uuid.uuid4())).to_json())
        data = objects.get(layout.CONFIG)
    return parse_config(data, objects.url)


def _config_bytes(objects: ObjectStore) -> bytes | None:
    """Return the config object, if there is one."""
    try:
        return objects.get(layout.CONFIG)
    except NotFoundError:
        return None


def _refuse_file(where: str | os.PathLike[str]) -> None:
    """Explain what to do with a file where a folder is expected."""
    path = Path(where)
    try:
        if not path.is_file():
            return
    except (OSError, ValueError):
        return  # No path at all, or out of reach: whoever opens it says which.
    with path.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    if is_sqlite:
        raise UsageError(
            f"{path} is an SQLite file, perhaps a storage of mandala; mandala-cas keeps a store in "
            "a folder: name a new one, and run your code again to fill it",
            path=str(path),
        )
    raise UsageError(
        f"{path} is a file; a store is a folder: name a folder, or one that does not exist yet",
        path=str(path),
    )


def _refuse_foreign(objects: ObjectStore) -> None:
    """Refuse to make a store among other people's files."""
    ours = {layout.README, layout.LOCAL.rstrip("/")}
    if isinstance(objects, LocalObjectStore):
        # A listing shows only what could be an object's name; somebody's files may be anything.
        names = [path.name for path in objects.root.iterdir()] if objects.root.is_dir() else []
    else:
        names = [info.name for info in objects.list("")]
    found = sorted(name for name in names if name not in ours)[:3]
    if found:
        raise UsageError(
            f"{objects.url} holds {', '.join(found)} and no config of a store; name an "
            "empty place or a store, or restore the config if this was one",
            url=objects.url,
            found=found,
        )
