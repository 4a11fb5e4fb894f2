"""Several people on one machine, for tests: each has a configuration of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mandala_cas.envelope.signatures import key_id_of
from mandala_cas.imports import Storage, op
from mandala_cas.model.refs import Ref
from mandala_cas.storage.keyring import user_key


class Reading:
    """A value that only a pickle can hold."""

    def __init__(self, number: int) -> None:
        """Hold a number."""
        self.number = number


class Trap:
    """A pickle that tells when somebody decodes it."""

    sprung = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Spring when decoded."""
        return (_spring, ())


def _spring() -> Trap:
    """Count that a trap was decoded."""
    Trap.sprung += 1
    return Trap()


@op
def read(number: int) -> Reading:
    """Return a value that only a pickle can hold."""
    return Reading(number)


@op
def add_one(number: int) -> int:
    """Return the next number."""
    return number + 1


class People:
    """Whose process this is: each person has a key, a list of trusted keys and a cache."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Have nobody yet."""
        self._monkeypatch = monkeypatch
        self._homes = tmp_path / "homes"
        self._monkeypatch.delenv("MANDALA_CAS_KEY", raising=False)

    def home(self, person: str) -> Path:
        """Return where a person's configuration lies."""
        return self._homes / person

    def become(self, person: str) -> None:
        """Make this process somebody's from here on; storages that are open stay whose they are."""
        self._monkeypatch.setenv("XDG_CONFIG_HOME", str(self.home(person) / "config"))
        self._monkeypatch.setenv("XDG_CACHE_HOME", str(self.home(person) / "cache"))

    def key_of(self, person: str) -> str:
        """Be somebody, and return the id of their key, which is made if they have none."""
        self.become(person)
        return str(key_id_of(user_key().public_key))


def recorded(store: Path, number: int) -> Ref:
    """Record that ``read(number)`` was called, as whoever this process is; return its ref."""
    with Storage(store):
        ref: Any = read(number)
    assert isinstance(ref, Ref)
    return ref.detached()


def number_in(store: Path, ref: Ref) -> int:
    """Return what a reading says, loaded by a storage that has not seen it."""
    reading = Storage(store).unwrap(ref.detached())
    assert isinstance(reading, Reading)
    return reading.number
