"""Large values of a directory: mapped, verified once, and the user's own to change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec import digests
from mandala_cas.codec.api import ValueCodec
from mandala_cas.codec.arrays import ArrayCodec
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.envelope import compression, hashing, seal
from mandala_cas.envelope.seal import Compression
from mandala_cas.errors import CorruptionError
from mandala_cas.imports import Ref, Storage, op
from mandala_cas.objectstore.layout import BLOBS
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.values.mapped_files import VERIFIED
from mandala_cas.values.save import ValueEncoder

SIZE = 300_000

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows maps no objects")


class Holder:
    """Holds an array in a way that only pickle knows."""

    def __init__(self, array: Any) -> None:
        """Hold it."""
        self.array = array


@op
def noise(seed: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(SIZE)


@op
def held(seed: int) -> Any:
    """Return what is pickled."""
    return Holder(np.random.default_rng(seed).random(SIZE))


@op
def zeros(size: int) -> Any:
    """Return what shrinks."""
    return np.zeros(size)


@op
def lower(array: Any, amount: int) -> float:
    """Change what was given, as code for arrays does."""
    array -= amount
    return float(array.sum())


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that is taken for one on a disk of this host."""
    monkeypatch.setattr(
        LocalObjectStore.__init__,
        "__kwdefaults__",
        {"platform": None, "file_system_of": lambda _: "ext4"},
    )
    return tmp_path / "store"


@pytest.fixture
def ref(where: Path) -> Ref:
    """Return an array that an earlier process saved."""
    with Storage(str(where)):
        made = noise(1)
    assert isinstance(made, Ref)
    return made.detached()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of how many bytes are hashed in place from here on."""
    sizes: list[int] = []

    def counting(size: int) -> Any:
        sizes.append(size)
        return hashing.new_hasher(size)

    for module in (seal, compression, digests):
        monkeypatch.setattr(module, "new_hasher", counting)
    return sizes


def is_map(array: Any) -> bool:
    """Tell whether the memory of an array is that of a file."""
    base = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return type(getattr(base, "obj", base)).__name__ == "mmap"


def blob(where: Path) -> Path:
    """Return the file of the one large value."""
    (info,) = LocalObjectStore(where).list(BLOBS)
    return where / info.name


def test_a_large_array_is_mapped_unless_it_is_to_be_read(where: Path, ref: Ref) -> None:
    """Either way it is the array, at an address that fits, and can be changed."""
    storage = Storage(str(where))

    for value, expected in [
        (storage.unwrap(ref), True),
        (storage.unwrap(ref, mmap=True), True),
        (storage.unwrap(ref, mmap=False), False),
    ]:
        assert is_map(value) is expected
        assert np.array_equal(value, np.random.default_rng(1).random(SIZE))
        assert value.flags.writeable
        assert value.__array_interface__["data"][0] % 64 == 0


def test_an_op_may_change_an_input_that_is_mapped(where: Path, ref: Ref) -> None:
    """As often as it runs, and its input on record stays as it is."""
    for amount in (1, 2):
        storage = Storage(str(where))
        with storage:
            array: Any = noise(1)
            assert not array.in_memory
            found = storage.unwrap(lower(array, amount))
        assert found == float((np.random.default_rng(1).random(SIZE) - amount).sum())

    assert np.array_equal(storage.unwrap(ref), np.random.default_rng(1).random(SIZE))


def test_a_value_outlives_its_object(where: Path, ref: Ref) -> None:
    """Garbage collection may take it at any time."""
    value = Storage(str(where)).unwrap(ref)

    blob(where).unlink()

    assert np.array_equal(value, np.random.default_rng(1).random(SIZE))


def test_each_file_is_hashed_once_in_a_process(where: Path, ref: Ref, hashed: list[int]) -> None:
    """By whichever storage; and not a second time for the payload hash."""
    value = Storage(str(where)).unwrap(ref)

    again = Storage(str(where)).unwrap(ref)

    assert np.array_equal(value, again)
    assert [size for size in hashed if size >= value.nbytes] == [value.nbytes]


@pytest.mark.parametrize("mmap", [True, False])
def test_a_byte_that_changed_is_found(where: Path, ref: Ref, *, mmap: bool) -> None:
    """Also in a file that was verified before: it is another one since."""
    assert Storage(str(where)).unwrap(ref, mmap=mmap) is not None
    data = bytearray(blob(where).read_bytes())
    data[len(data) // 2] ^= 1
    blob(where).write_bytes(data)

    with pytest.raises(CorruptionError):
        Storage(str(where)).unwrap(ref, mmap=mmap)


def test_reading_hashes_once_as_well(where: Path, ref: Ref, hashed: list[int]) -> None:
    """What is read anew is verified anew, in one pass."""
    for _ in range(2):
        value = Storage(str(where)).unwrap(ref, mmap=False)

    assert [size for size in hashed if size >= value.nbytes] == [value.nbytes] * 2


def test_what_is_unpacked_is_hashed_as_it_lies_and_as_it_is(where: Path, hashed: list[int]) -> None:
    """The stored bytes before they are unpacked, the payload on the way."""
    with Storage(str(where)):
        made: Any = zeros(SIZE)
    hashed.clear()

    value = Storage(str(where)).unwrap(made.detached())

    assert not is_map(value)
    assert np.array_equal(value, np.zeros(SIZE))
    value += 1
    assert [size for size in hashed if size >= value.nbytes] == [value.nbytes]


def test_a_pickle_is_never_mapped(where: Path) -> None:
    """Whoever may write to the file could change its code after it was verified."""
    with Storage(str(where)):
        made: Any = held(1)

    value = Storage(str(where)).unwrap(made.detached())

    assert not is_map(value.array)
    assert np.array_equal(value.array, np.random.default_rng(1).random(SIZE))


def test_a_mapped_file_is_forgotten_rather_than_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch, where: Path, ref: Ref, hashed: list[int]
) -> None:
    """Memory is bounded; what was forgotten is verified again."""
    storage = Storage(str(where))
    value = storage.unwrap(ref)
    monkeypatch.setattr(VERIFIED, "_digests", {})

    storage.unwrap(ref)

    assert [size for size in hashed if size >= value.nbytes] == [value.nbytes] * 2


class Packed(ArrayCodec):
    """A codec whose payloads are compressed already, as it says."""

    name = "packed"
    compression = "never"


@pytest.mark.parametrize(
    ("codec", "expected"), [(ArrayCodec(), Compression.ZSTD), (Packed(), Compression.RAW)]
)
def test_a_codec_may_say_that_its_payloads_do_not_shrink(
    codec: ValueCodec, expected: Compression
) -> None:
    """Then nobody looks. Identity does not ask how bytes are stored."""
    objects, codecs = MemoryObjectStore(), CodecRegistry()
    codecs.register(codec)
    encoder = ValueEncoder(BlobStore(objects), codecs, lambda _: False)

    prepared = encoder.prepare(np.zeros(SIZE))

    assert prepared.record is not None
    assert objects.get(prepared.record.location)[10] == expected
