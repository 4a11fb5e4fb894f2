"""What a storage tells people: to the log always, to the terminal or notebook where one looks."""

from __future__ import annotations

import logging
import sys
from typing import Final

_LOGGER: Final = logging.getLogger("mandala_cas")


def notify(message: str) -> None:
    """Tell people that something was done."""
    _LOGGER.info("%s", message)
    if _somebody_looks():
        from rich.console import Console  # noqa: PLC0415 (heavy)

        Console(stderr=True, highlight=False).print(message, markup=False)


def _somebody_looks() -> bool:
    """Tell whether standard error is a terminal, or this is a notebook."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
