"""mandala-cas: ``with storage:`` around calls of ``@op`` functions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mandala_cas.imports import Storage, op


class Adapter:
    """A store in a folder, with the settings that a user gets unasked."""

    def __init__(self, folder: Path) -> None:
        """Open the store."""
        self._storage = Storage(str(folder / "store"))

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as an op."""
        memoized: Callable[..., Any] = op(function)
        return memoized

    def block(self) -> AbstractContextManager[object]:
        """Return the storage: entering it makes it the one that remembers."""
        storage: AbstractContextManager[object] = self._storage
        return storage

    def value(self, result: Any) -> Any:
        """Unwrap the ref that a call returned."""
        return self._storage.unwrap(result)

    def close(self) -> None:
        """Close the storage."""
        self._storage.close()

    @staticmethod
    def details() -> dict[str, str]:
        """Return nothing: the versions say it all."""
        return {}
