"""percache: a shelf, keyed by the ``repr`` of the arguments."""

from __future__ import annotations

import dbm
import shelve
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from percache import Cache  # type: ignore[import-not-found]  # in its own environment


class Adapter:
    """A shelf in a folder, written when it is closed: percache's own default."""

    def __init__(self, folder: Path) -> None:
        """Open the shelf."""
        self._cache = Cache(str(folder / "store"))

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the cached function."""
        memoized: Callable[..., Any] = self._cache(function)
        return memoized

    def block(self) -> AbstractContextManager[object]:
        """Return a block that does nothing."""
        return nullcontext()

    def value(self, result: Any) -> Any:
        """Return the result itself."""
        return result

    def close(self) -> None:
        """Close the shelf; a second close, when it is collected, does nothing."""
        self._cache.close()

    @staticmethod
    def details() -> dict[str, str]:
        """Return which kind of file the shelf is: it is up to this Python's build."""
        with TemporaryDirectory() as folder:
            path = str(Path(folder) / "shelf")
            shelve.open(path).close()
            return {"shelf": dbm.whichdb(path) or "unknown"}
