"""What came of asking for one of several values: itself, or what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mandala_cas.errors import MandalaError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A value, told apart from an error that is one."""

    value: Any


Outcome = Loaded | MandalaError
