"""How lower layers tell people what goes on, without knowing who listens."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Progress(Protocol):
    """One long piece of work, from ``with`` to its end."""

    def advance(self, count: int) -> None:
        """Say that ``count`` more of it is done."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, done or not."""
        ...


class Reporter(Protocol):
    """Who is told. May be called from any thread; must not fail the work that reports."""

    def notice(self, message: str) -> None:
        """Tell people one thing that happened."""
        ...

    def progress(self, label: str, total: int, unit: str) -> Progress:
        """Return what follows a piece of work of ``total`` items or bytes.

        ``unit`` is "bytes", or what the items are called.
        """
        ...


class NoProgress:
    """Progress that nobody watches."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""


class SilentReporter:
    """Nobody listens: for programs, and for tests."""

    def notice(self, message: str) -> None:
        """Do nothing."""

    def progress(self, label: str, total: int, unit: str) -> Progress:
        """Return what does nothing."""
        del label, total, unit
        return NoProgress()
