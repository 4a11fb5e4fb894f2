"""The ops of this process by name and version: what can be run again without being called.

Weak: an op that nobody holds any more is not kept for this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

from mandala_cas.memo.definition import Definition

_DEFINITIONS: Final[WeakValueDictionary[tuple[str, str], Definition]] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class OpRename:
    """What the calls of an op are called now: the op, and of its arguments those that changed."""

    name: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Renames:
    """What ops said of their old names, those that are gone too, and how often that changed."""

    by_name: dict[str, OpRename] = field(default_factory=dict)
    state: int = 0


_RENAMES: Final = _Renames()


def register(definition: Definition) -> None:
    """Make an op findable; of several with one name and version, the latest to say so is found."""
    name = (definition.name, definition.version)
    # Told at every call that runs, and nearly always the same: asking costs less than writing.
    if _DEFINITIONS.get(name) is not definition:
        _DEFINITIONS[name] = definition
        if definition.settings.is_renamed or definition.name in _RENAMES.by_name:
            _take_renames(definition)


def find_definition(name: str, version: str) -> Definition | None:
    """Return the op that was defined or run in this process under a name and version."""
    return _DEFINITIONS.get((name, version))


def find_renamed(name: str, version: str) -> Definition | None:
    """Return the op under a name that it has or had."""
    found = find_definition(name, version)
    rename = _RENAMES.by_name.get(name)
    if found is not None or rename is None:
        return found
    return find_definition(rename.name, version)


def live_definitions() -> list[Definition]:
    """Return all ops of this process, of several with one name and version the latest."""
    return list(_DEFINITIONS.values())


def renames() -> tuple[int, dict[str, OpRename]]:
    """Return what calls on record are called now, by the name of the op that they have.

    The number changes when that does.
    """
    return _RENAMES.state, _RENAMES.by_name


def _take_renames(definition: Definition) -> None:
    """Put down what an op was called, and forget what it said before."""
    settings = definition.settings
    arguments = tuple(settings.renamed_args.items())
    old_names = (*settings.previous_names, *((definition.name,) if arguments else ()))
    kept = {
        old: rename
        for old, rename in _RENAMES.by_name.items()
        if definition.name not in {rename.name, old}
    }
    # Replaced, never changed: who reads it goes on undisturbed.
    _RENAMES.by_name = kept | dict.fromkeys(old_names, OpRename(definition.name, arguments))
    _RENAMES.state += 1
