"""Where a value is looked for when its place is empty, in which order, and what is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.registry import default_registry
from mandala_cas.envelope.signatures import Signature, SigningKey, key_id_of
from mandala_cas.errors import CorruptionError, NotFoundError, UntrustedError
from mandala_cas.imports import Storage, op
from mandala_cas.index.copies import ValueCopy
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId, PayloadHash
from mandala_cas.model.outcomes import Loaded
from mandala_cas.objectstore.layout import BLOBS, PACKS, blob_name
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.values.load import ValueLoader, ValueSource
from mandala_cas.values.trust import Trust
from mandala_cas.values.unreadable import UnreadablePlaces

OWN = key_id_of(SigningKey(bytes(32)).public_key)


class OnlyPickle:
    """A value that only a pickle can hold."""


@op
def something_to_load(kind: str) -> Any:
    """Return a value of a kind."""
    return {
        "array": np.arange(3000.0),
        "pickle": [OnlyPickle(), "x" * 5000],
        "table": pa.table({"a": np.arange(3000.0)}),
    }[kind]


@dataclass(frozen=True)
class Given:
    """A value that another store gave."""

    copy: ValueCopy
    sealed: bytes


class Others:
    """A store that promised what it is given."""

    def __init__(
        self,
        records: Mapping[ContentId, tuple[ValueRecord, bytes]],
        signature: Signature | None = None,
    ) -> None:
        """Give these."""
        self.values = {
            id_: Given(ValueCopy(record, "elsewhere", signature, 0), data)
            for id_, (record, data) in records.items()
        }
        self.asked: list[list[ContentId]] = []

    def fetch(self, content_ids: Iterable[ContentId]) -> Mapping[ContentId, Given]:
        """Return what there is."""
        wanted = list(content_ids)
        self.asked.append(wanted)
        return {id_: self.values[id_] for id_ in wanted if id_ in self.values}


class Fixture:
    """A store with one value, and a loader whose every source can be set."""

    def __init__(self, kind: str = "array") -> None:
        """Record the value."""
        self.objects = MemoryObjectStore()
        storage = Storage(self.objects)
        with storage:
            ref: Any = something_to_load(kind)
        self.content_id: ContentId = ref.content_id
        (self.copy,) = storage._parts.lookup.copies(self.content_id)
        self.copies: list[ValueCopy] = [self.copy]
        self.refresh: Callable[[], None] = lambda: None
        self.unreadable = UnreadablePlaces(draw=bytes)
        record = self.copy.record
        data = self.objects.get_range(record.location, record.offset, record.stored_size)
        self.found: Any = (record, data)

    def lose(self) -> None:
        """Delete the payload."""
        self.objects.delete([info.name for info in self.objects.list(PACKS)])

    def loader(self, promised: Others | None = None, *, trusts: bool = True) -> ValueLoader:
        """Return a loader; ``trusts`` tells whether the copies on record are this user's."""
        source = ValueSource(lambda _: None, lambda _: self.copies, self.refresh, promised)
        trust = Trust("trusted", lambda: OWN, unsigned_is_own=trusts)
        blobs = BlobStore(self.objects)
        return ValueLoader(blobs, default_registry(), source, trust, self.unreadable)


@pytest.fixture
def there() -> Fixture:
    """Return a store with an array."""
    return Fixture()


def test_a_value_that_is_there_needs_no_second_look(there: Fixture) -> None:
    """Neither at the log nor at other stores."""
    there.refresh = lambda: pytest.fail("looked again")
    others = Others({})

    (value,) = there.loader(others).load_many([there.content_id])

    assert np.array_equal(value, np.arange(3000.0))
    assert not others.asked
    assert not len(there.unreadable)


def test_the_log_is_looked_at_once_more_before_a_value_counts_as_lost(there: Fixture) -> None:
    """Somebody may have placed it anew."""
    data = there.found[1]
    there.lose()
    name = blob_name(there.copy.record.payload_hash)
    moved = replace(there.copy.record, tier=Tier.LOOSE, location=name, offset=0)

    def refresh() -> None:
        there.objects.put(name, [data])
        there.copies.append(ValueCopy(moved, None, None, 0))

    there.refresh = refresh

    (value,) = there.loader().load_many([there.content_id])

    assert np.array_equal(value, np.arange(3000.0))
    assert there.copy in there.unreadable
    assert there.copies[1] not in there.unreadable


def test_a_place_that_is_filled_again_is_forgotten(there: Fixture) -> None:
    """It was restored from a backup."""
    kept = {info.name: there.objects.get(info.name) for info in there.objects.list(PACKS)}
    there.lose()
    loader = there.loader()
    with pytest.raises(CorruptionError):
        loader.load_many([there.content_id])
    for name, data in kept.items():
        there.objects.put(name, [data])

    loader.load_many([there.content_id])

    assert there.copy not in there.unreadable


def test_a_promised_value_is_fetched_last(there: Fixture) -> None:
    """From the store that has it; the place here stays empty."""
    there.lose()
    others = Others({there.content_id: there.found})

    (value,) = there.loader(others).load_many([there.content_id])

    assert np.array_equal(value, np.arange(3000.0))
    assert others.asked == [[there.content_id]]


@pytest.mark.parametrize("change", ["payload", "content id", "cut"])
def test_what_another_store_gives_is_checked(there: Fixture, change: str) -> None:
    """Its log is not this one's."""
    record, data = there.found
    there.lose()
    if change == "payload":
        record = replace(record, payload_hash=PayloadHash(bytes(32)))
    elif change == "content id":
        record = replace(record, content_id=ContentId(bytes(32)))
    else:
        data = data[:-1]

    with pytest.raises(CorruptionError):
        there.loader(Others({there.content_id: (record, data)})).load_many([there.content_id])


def test_a_promised_pickle_needs_somebody_trusted_to_have_placed_the_same() -> None:
    """Else another store could run code here."""
    there = Fixture("pickle")
    there.lose()
    others = Others({there.content_id: there.found})

    (value,) = there.loader(others).load_many([there.content_id])

    assert type(value[0]).__name__ == "OnlyPickle"
    with pytest.raises(UntrustedError):
        there.loader(others, trusts=False).load_many([there.content_id])
    there.copies = [
        replace(there.copy, record=replace(there.copy.record, payload_hash=PayloadHash(bytes(32))))
    ]
    with pytest.raises(UntrustedError):
        there.loader(others, trusts=False).load_many([there.content_id])


def test_a_promised_pickle_may_be_this_users_own() -> None:
    """Signed there with the key that signs here, or with another."""
    there = Fixture("pickle")
    record, _ = there.found
    there.lose()
    there.copies = [
        replace(there.copy, record=replace(record, payload_hash=PayloadHash(bytes(32))))
    ]
    own, other = (signature_of(SigningKey(bytes([number] * 32))) for number in (0, 1))

    (value,) = there.loader(Others({there.content_id: there.found}, own)).load_many(
        [there.content_id]
    )

    assert type(value[0]).__name__ == "OnlyPickle"
    with pytest.raises(UntrustedError):
        there.loader(Others({there.content_id: there.found}, other)).load_many([there.content_id])


def test_a_promised_value_that_names_no_segment_is_not_this_process_s_own() -> None:
    """Of copies in this store it would mean so."""
    there = Fixture("pickle")
    there.lose()
    others = Others({there.content_id: there.found})
    nameless = replace(others.values[there.content_id].copy, segment=None)
    others.values[there.content_id] = Given(nameless, there.found[1])
    # What is on record here does not vouch for it.
    record = replace(there.copy.record, payload_hash=PayloadHash(bytes(32)))
    there.copies = [replace(there.copy, record=record)]

    with pytest.raises(UntrustedError):
        there.loader(others).load_many([there.content_id])


def signature_of(key: SigningKey) -> Signature:
    """Return a signature of something."""
    return Signature("elsewhere", key.public_key, b"message", key.sign(b"message"))


def test_one_that_cannot_be_had_keeps_nobody_from_the_others(there: Fixture) -> None:
    """Each value has its own outcome."""
    unknown = ContentId(bytes(32))
    copies = {there.content_id: [there.copy], unknown: []}
    source = ValueSource(lambda _: None, copies.__getitem__)
    trust = Trust("trusted", lambda: OWN, unsigned_is_own=True)
    loader = ValueLoader(BlobStore(there.objects), default_registry(), source, trust)

    first, second = loader.load_each([unknown, there.content_id])

    assert isinstance(first, NotFoundError)
    assert isinstance(second, Loaded)


def test_the_name_of_a_blob_that_is_bad_is_not_used_again(there: Fixture) -> None:
    """A store may keep what is there; a fresh name is another object."""
    record = replace(
        there.copy.record, tier=Tier.LOOSE, location=blob_name(there.copy.record.payload_hash)
    )
    loose = replace(there.copy, record=replace(record, offset=0))
    hash_ = record.payload_hash

    before = there.unreadable.nonce_for(hash_)
    there.unreadable.add(loose)

    assert before == b""
    assert blob_name(hash_, there.unreadable.nonce_for(hash_)).startswith(f"{BLOBS}")
    assert "~" in blob_name(hash_, there.unreadable.nonce_for(hash_))
    there.unreadable.discard(loose)
    assert there.unreadable.nonce_for(hash_) == b""


def signature(*, forged: bool) -> Signature:
    """Return a signature of a stranger, or one that only says so."""
    key = SigningKey(bytes([7]) * 32)
    signed = key.sign(b"another" if forged else b"message")
    return Signature("a segment", key.public_key, b"message", signed)


@pytest.mark.parametrize("where", ["on record", "promised"])
def test_a_forged_table_is_not_handed_to_its_parser(where: str) -> None:
    """Crafted bytes may crash that, and their writer cannot be held to account."""
    there = Fixture("table")
    found: dict[bool, Any] = {}
    for forged in (False, True):
        claim = signature(forged=forged)
        if where == "on record":
            there.copies = [replace(there.copy, segment="one", signature=claim)]
            (found[forged],) = there.loader().load_each([there.content_id])
            continue
        others = Others({there.content_id: there.found}, claim)
        there.copies = [replace(there.copy, record=replace(there.copy.record, location="packs/00"))]
        (found[forged],) = there.loader(others).load_each([there.content_id])

    assert isinstance(found[False], Loaded)
    assert isinstance(found[True], CorruptionError)
    assert "signature" in str(found[True])


def test_a_forged_array_is_an_array() -> None:
    """Its decoder is our own, so only its hash counts."""
    there = Fixture("array")
    there.copies = [replace(there.copy, segment="one", signature=signature(forged=True))]

    (found,) = there.loader().load_each([there.content_id])

    assert isinstance(found, Loaded)
