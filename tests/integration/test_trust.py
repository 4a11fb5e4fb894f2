"""Decoding a pickle runs code of its writer's choosing, so the writer must be trusted."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.errors import CorruptionError, UntrustedError
from mandala_cas.imports import Storage, op


class Reading:
    """A value that only a pickle can hold."""

    def __init__(self, number: int) -> None:
        """Hold a number."""
        self.number = number


@op
def read(number: int) -> Reading:
    """Return a value that only a pickle can hold."""
    return Reading(number)


@op
def halve(number: int) -> Fraction:
    """Return a value that needs no pickle."""
    return Fraction(number, 2)


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that makes this process somebody's."""
    return lambda user: monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / user))


@pytest.fixture
def store(tmp_path: Path, be: Callable[[str], None]) -> Path:
    """Return a store in which Ada has computed."""
    be("ada")
    with Storage(tmp_path / "store"):
        read(1)
        halve(3)
    return tmp_path / "store"


def segments(store: Path) -> list[Path]:
    """Return the files of the log."""
    return sorted((store / "manifest" / "1-log").iterdir())


def test_ones_own_pickles_load_without_a_word(store: Path) -> None:
    """The key is made at first need, and nobody is asked anything."""
    storage = Storage(store)
    with storage:
        ref: Any = read(1)

    assert not ref.in_memory
    assert storage.unwrap(ref).number == 1


def test_anothers_pickle_is_not_decoded(store: Path, be: Callable[[str], None]) -> None:
    """The error says what it is, who wrote it and when, and the ways on."""
    key_id = str(Storage(store).trusted().own_key)
    be("bob")
    storage = Storage(store)
    with storage:
        ref: Any = read(1)

    with pytest.raises(
        UntrustedError,
        match=r"output_0 of read, value [0-9a-f]{12} \(pickle, \d+ bytes\), is a pickle written by "
        r"key [0-9a-f]{12} on 20\d\d-\d\d-\d\d \d\d:\d\d UTC.*storage\.trust\(.*pickle='allow'.*"
        "inside `with storage:`",
    ) as caught:
        storage.unwrap(ref)

    assert caught.value.key_id == key_id
    assert f'storage.trust("{key_id}", name=...)' in str(caught.value)
    assert (caught.value.op, caught.value.output, caught.value.cid) == ("read", "output_0", ref.cid)


def test_anothers_value_that_is_no_pickle_needs_no_trust(
    store: Path, be: Callable[[str], None]
) -> None:
    """Most results are numbers and arrays."""
    be("bob")
    storage = Storage(store)
    with storage:
        ref: Any = halve(3)

    assert not ref.in_memory
    assert storage.unwrap(ref) == Fraction(3, 2)


def test_pickles_can_be_allowed_and_refused(store: Path, be: Callable[[str], None]) -> None:
    """It is the user's decision, storage by storage."""
    with Storage(store):
        ref: Any = read(1)
    be("bob")

    assert Storage(store, pickle="allow").unwrap(ref).number == 1
    be("ada")
    with pytest.raises(UntrustedError, match="opened with pickle='refuse'"):
        Storage(store, pickle="refuse").unwrap(ref)


def test_a_user_without_a_key_trusts_nobody(store: Path, be: Callable[[str], None]) -> None:
    """And reading makes no key."""
    with Storage(store):
        ref: Any = read(1)
    be("carol")

    with pytest.raises(UntrustedError):
        Storage(store).unwrap(ref)

    assert not (store.parent / "home" / "carol").exists()


def test_what_one_computes_oneself_is_stored_beside_an_untrusted_copy(
    store: Path, be: Callable[[str], None], tmp_path: Path
) -> None:
    """Bob computed an equal value in his own store; he must be able to read it in Ada's."""
    be("bob")
    with Storage(tmp_path / "bobs"):
        own: Any = read(1)

    @op
    def give(reading: Any) -> Any:
        return reading

    with Storage(store):
        ref: Any = give(own)

    assert Storage(store).unwrap(ref).number == 1


def test_an_unsigned_segment_is_nobodys(store: Path, be: Callable[[str], None]) -> None:
    """Whoever strips a signature gains nothing."""
    be("ada")
    storage = Storage()
    with storage:
        ref: Any = read(1)
    (name,) = storage._parts.view.segments
    unsigned = store / name
    for segment in segments(store):
        segment.unlink()
    unsigned.write_bytes(storage._parts.objects.get(name))

    with pytest.raises(UntrustedError, match="unknown writer"):
        Storage(store).unwrap(ref.detached())


def test_a_flipped_bit_in_the_log_is_noticed_and_the_call_computed_again(store: Path) -> None:
    """Damage costs time, never a wrong answer."""
    (segment,) = segments(store)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)

    with pytest.warns(UserWarning, match="skipped a damaged log object"):
        storage = Storage(store)
    with storage:
        ref: Any = halve(3)

    assert ref.in_memory
    assert storage.unwrap(ref) == Fraction(3, 2)


def test_a_flipped_bit_in_a_value_is_never_a_wrong_value(tmp_path: Path) -> None:
    """Every read is verified."""

    @op
    def make() -> bytes:
        return bytes(range(256)) * 40

    storage = Storage(tmp_path / "store")
    with storage:
        ref: Any = make().detached()  # type: ignore[attr-defined] # inside a block, ops give refs
    (pack,) = (path for path in (tmp_path / "store" / "packs").rglob("*") if path.is_file())
    data = bytearray(pack.read_bytes())
    for position in range(0, len(data), 97):
        data[position] ^= 4
    pack.write_bytes(data)

    with pytest.raises(CorruptionError):
        storage.unwrap(ref)
