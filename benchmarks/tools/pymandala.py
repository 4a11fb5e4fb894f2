"""pymandala: the library that mandala-cas takes after, on its SQLite file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mandala.imports import Storage, op  # type: ignore[import-not-found]  # in its own environment


class Adapter:
    """A store in a file, and a folder for what is too large for the file."""

    def __init__(self, folder: Path) -> None:
        """Open the store."""
        # Without an overflow folder, pymandala refuses values above 50 MB.
        self._storage = Storage(
            db_path=str(folder / "store.db"), overflow_dir=str(folder / "overflow")
        )

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as an op."""
        memoized: Callable[..., Any] = op(function)
        return memoized

    def block(self) -> AbstractContextManager[object]:
        """Return the storage: leaving it commits what was called inside."""
        storage: AbstractContextManager[object] = self._storage
        return storage

    def value(self, result: Any) -> Any:
        """Unwrap the ref that a call returned."""
        return self._storage.unwrap(result)

    def close(self) -> None:
        """Do nothing: leaving the block has committed, and no connection stays open."""

    @staticmethod
    def details() -> dict[str, str]:
        """Return nothing: the versions say it all."""
        return {}
