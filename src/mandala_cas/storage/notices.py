"""What a storage tells people: to the log always, to the terminal or notebook where one looks."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

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


class ProgressBars:
    """Bars on standard error for work that takes long; gone when it is done, also after Ctrl-C.

    What is handed to upkeep as its ``Progress``. Nothing is shown where nobody looks, nor of what
    is over within a second.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet."""
        self._clock = clock
        self._began = clock()
        self._shown: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` objects have been looked at."""
        if self._shown is None:
            if self._clock() - self._began < _SHOWN_AFTER_S or not somebody_looks():
                return
            self._shown = _bars()
            self._shown.start()
        if what not in self._tasks:
            self._tasks[what] = self._shown.add_task(what, total=total)
        self._shown.update(self._tasks[what], completed=done, total=total)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bars away."""
        if self._shown is not None:
            self._shown.stop()


def _bars() -> RichProgress:
    """Return a display of bars, not yet shown."""
    from rich import progress  # noqa: PLC0415 (heavy)
    from rich.console import Console  # noqa: PLC0415 (heavy)

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
