"""What every tool can do: remember the calls of a function, in a folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Tool(Protocol):
    """A tool with its store open.

    An adapter adds as little as it can: whatever it does beyond handing the
    work on would be counted as the tool's own time.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store in ``folder``, which exists; make one if it is empty."""
        ...

    def memoize(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` as the tool would have its users call it."""
        ...

    def block(self) -> AbstractContextManager[object]:
        """Return the block in which calls are remembered, where the tool has one."""
        ...

    def value(self, result: Any) -> Any:
        """Return the plain value of what a memoized function returned."""
        ...

    def close(self) -> None:
        """Leave the store so that another process finds every call in it."""
        ...

    @staticmethod
    def details() -> dict[str, str]:
        """Return what the report should say of the environment besides versions."""
        ...
