"""diskcache: a SQLite file, and files for large values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from diskcache import Cache  # type: ignore[import-not-found]  # in its own environment

# diskcache forgets the oldest results beyond one gigabyte. Every other tool
# here keeps everything, so it is told to as well.
SIZE_LIMIT: Final = 1 << 40


class Adapter:
    """A cache in a folder, otherwise as it comes."""

    def __init__(self, folder: Path) -> None:
        """Open the cache."""
        self._cache = Cache(str(folder / "store"), size_limit=SIZE_LIMIT)

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the cached function."""
        memoized: Callable[..., Any] = self._cache.memoize()(function)
        return memoized

    def block(self) -> AbstractContextManager[object]:
        """Return a block that does nothing: every call is a transaction."""
        return nullcontext()

    def value(self, result: Any) -> Any:
        """Return the result itself."""
        return result

    def close(self) -> None:
        """Close the database."""
        self._cache.close()

    @staticmethod
    def details() -> dict[str, str]:
        """Return nothing: the versions say it all."""
        return {}
