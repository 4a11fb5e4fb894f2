"""How a user wants a store to be opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.settings import OnStale, check_on_stale
from mandala_cas.objectstore.opening import Engine
from mandala_cas.storage.keyring import KeySource
from mandala_cas.storage.opening import Location, Mode
from mandala_cas.values.file_cache import SIZE_MAX
from mandala_cas.values.trust import PicklePolicy


@dataclass(frozen=True, slots=True)
class Settings:
    """How a user wants a store to be opened, as ``Storage`` documents it."""

    where: Location | None
    storage_options: Mapping[str, Any] | None = None
    mode: Mode = "rw"
    engine: Engine = "fsspec"
    pickle: PicklePolicy = "trusted"
    key: KeySource | None = None
    flush_after_s: float = 1.0
    cache_directory: str | os.PathLike[str] | None = None
    file_cache_max: int | None = SIZE_MAX
    check_mutation: bool = False
    record_failures: bool = False
    on_stale: OnStale = "warn"
    namespace: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would decide silently."""
        if self.mode not in {"rw", "r"}:
            raise UsageError(f"mode is 'rw' or 'r', got {self.mode!r}")
        if self.pickle not in {"trusted", "allow", "refuse"}:
            raise UsageError(f"pickle is 'trusted', 'allow' or 'refuse', got {self.pickle!r}")
        # What is not a number is no time either.
        seconds: object = self.flush_after_s
        if not (isinstance(seconds, int | float) and seconds >= 0):
            raise UsageError(
                f"flush_after is a number of seconds from 0 on, got {self.flush_after_s!r}"
            )
        # True is a number to Python, and no size to anybody.
        size: object = self.file_cache_max
        if size is not None and (type(size) is not int or size < 0):
            raise UsageError(f"file_cache_max is a number of bytes or None, got {size!r}")
        check_on_stale(self.on_stale, "Storage")
        space: object = self.namespace
        if space is not None and (
            not isinstance(space, str) or not space or space != space.strip("/")
        ):
            raise UsageError(
                f"namespace is a text without a slash at its ends, such as 'proj', got {space!r}"
            )
