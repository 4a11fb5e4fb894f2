"""The ops of this process by name and version: what can be run again without being called.

Weak: an op that nobody holds any more is not kept for this.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakValueDictionary

from mandala_cas.memo.definition import Definition

_DEFINITIONS: Final[WeakValueDictionary[tuple[str, str], Definition]] = WeakValueDictionary()


def register(definition: Definition) -> None:
    """Make an op findable; of several with one name and version, the latest to say so is found."""
    name = (definition.name, definition.version)
    # Told at every call that runs, and nearly always the same: asking costs less than writing.
    if _DEFINITIONS.get(name) is not definition:
        _DEFINITIONS[name] = definition


def find_definition(name: str, version: str) -> Definition | None:
    """Return the op that was defined or run in this process under a name and version."""
    return _DEFINITIONS.get((name, version))
