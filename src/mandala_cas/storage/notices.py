"""What a storage tells people: to the log always, to the terminal or notebook where one looks."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from mandala_cas.model.reporter import NoProgress, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_LOGGER: Final = logging.getLogger("mandala_cas")
# What is over sooner needs no bar.
_SHOWN_AFTER_S: Final = 1.0


def notify(message: str) -> None:
    """Tell people that something was done."""
    _LOGGER.info("%s", message)
    if somebody_looks():
        from rich.console import Console  # noqa: PLC0415 (heavy)

        Console(stderr=True, highlight=False).print(message, markup=False)


def somebody_looks() -> bool:
    """Tell whether standard error is a terminal, or this is a notebook."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


class PeopleReporter:
    """A ``Reporter`` for terminals and notebooks; silent, but for the log, where nobody looks."""

    def notice(self, message: str) -> None:
        """Tell people one thing that happened."""
        notify(message)

    def progress(self, label: str, total: int, unit: str) -> Progress:
        """Return a bar that appears when the work takes longer than a second."""
        return _Bar(label, total, unit) if somebody_looks() else NoProgress()


class _Bar:
    """A bar on standard error, shown late, and gone when the work is done."""

    def __init__(
        self, label: str, total: int, unit: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show nothing yet."""
        self._label = label
        self._total = total
        self._unit = unit
        self._clock = clock
        self._done = 0
        self._began = clock()
        self._shown: RichProgress | None = None
        self._task: Any = None

    def advance(self, count: int) -> None:
        """Say that ``count`` more of it is done."""
        self._done += count
        if self._shown is not None:
            self._shown.update(self._task, completed=self._done)
        elif self._clock() - self._began > _SHOWN_AFTER_S:
            self._show()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away, also after Ctrl-C."""
        if self._shown is not None:
            self._shown.stop()

    def _show(self) -> None:
        """Draw the bar."""
        from rich import progress  # noqa: PLC0415 (heavy)
        from rich.console import Console  # noqa: PLC0415 (heavy)

        is_bytes = self._unit == "bytes"
        amount = (
            (progress.DownloadColumn(binary_units=True), progress.TransferSpeedColumn())
            if is_bytes
            else (progress.MofNCompleteColumn(), progress.TextColumn(self._unit))
        )
        self._shown = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            *amount,
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._shown.add_task(self._label, total=self._total, completed=self._done)
        self._shown.start()
