"""The only place that maps errors to exit codes."""

from __future__ import annotations

from typing import Final

from mandala_cas.errors import (
    ConflictError,
    CorruptionError,
    MandalaError,
    NotFoundError,
    StoreUnavailableError,
    UnsupportedFormatError,
    UntrustedError,
    UsageError,
)

OK: Final = 0
# The code of CorruptionError: a broken promise found, not an error of the command.
DAMAGED: Final = 5
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[type[MandalaError], int], ...]] = (
    (UsageError, 2),
    (NotFoundError, 3),
    (ConflictError, 4),
    (CorruptionError, 5),
    (UntrustedError, 6),
    (UnsupportedFormatError, 7),
    (StoreUnavailableError, 8),
    (MandalaError, 1),
)


def exit_code_of(error: MandalaError) -> int:
    """Return the exit code that tells a script what to do next."""
    return next(code for kind, code in _CODES if isinstance(error, kind))
