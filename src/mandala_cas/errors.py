"""Every exception and warning of mandala-cas, sorted by what the caller does next.

Architecture invariant: nothing foreign reaches a user. An error of fsspec, botocore, zstandard,
msgpack or Polars is translated once, at the border where it arises, with ``raise ... from``.
Messages say what was asked, what was found and what to do, in that order, without a full stop.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MandalaError(Exception):
    """The root of the tree: catch this to catch everything mandala-cas raises.

    ``code`` is stable and short; ``details`` carries the data that the message speaks of.
    """

    code: ClassVar[str] = "mandala"

    def __init__(self, message: str, **details: Any) -> None:
        """Say what happened; ``details`` become attributes, so that programs need not parse."""
        super().__init__(message)
        self.details = details

    def __getattr__(self, name: str) -> Any:
        """Give the detail of that name."""
        try:
            return self.__dict__["details"][name]
        except KeyError:
            raise AttributeError(name) from None


class UsageError(MandalaError, ValueError):
    """Fix the calling code."""

    code = "usage"


class NewCallsNotAllowedError(UsageError, RuntimeError):
    """Make the call where new calls are allowed, or ask only for what is on record."""

    code = "new-calls-not-allowed"


class NotFoundError(MandalaError, LookupError):
    """Fetch it, or ask elsewhere."""

    code = "not-found"


class ConflictError(MandalaError):
    """Read again, then retry."""

    code = "conflict"


class CorruptionError(MandalaError):
    """Stop: bytes in the store are not what was written."""

    code = "corruption"


class UntrustedError(MandalaError):
    """Trust the writer, allow it once, or recompute."""

    code = "untrusted"


class UnsupportedFormatError(MandalaError):
    """Upgrade mandala-cas, or install or register the codec that the message names."""

    code = "unsupported-format"


class StoreUnavailableError(MandalaError, OSError):
    """Retry later; nothing is lost."""

    code = "store-unavailable"

    def __str__(self) -> str:
        """Return the message; OSError's own form would hide it behind an errno."""
        return str(self.args[0])


class MandalaWarning(UserWarning):
    """The root of the warnings, so that one filter catches them all."""


class UncapturedThreadWarning(MandalaWarning):
    """An op ran outside every storage in a thread, while another thread was inside one."""


class StaleWarning(MandalaWarning):
    """What is on record was given by other code than there is now."""
