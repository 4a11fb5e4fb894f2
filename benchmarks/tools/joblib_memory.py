"""joblib.Memory: one folder of files per call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from joblib import Memory


class Adapter:
    """A memory in a folder that prints nothing, otherwise as it comes."""

    def __init__(self, folder: Path) -> None:
        """Point at the folder."""
        self._memory = Memory(str(folder / "store"), verbose=0)

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the cached function."""
        memoized: Callable[..., Any] = self._memory.cache(function)
        return memoized

    def block(self) -> AbstractContextManager[object]:
        """Return a block that does nothing: every call is written at once."""
        return nullcontext()

    def value(self, result: Any) -> Any:
        """Return the result itself."""
        return result

    def close(self) -> None:
        """Do nothing: there is nothing open."""

    @staticmethod
    def details() -> dict[str, str]:
        """Return nothing: the versions say it all."""
        return {}
