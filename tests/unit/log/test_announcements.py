"""Announcements of garbage collection: what is condemned, and what damage does to them."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.envelope.seal import Kind, Sealed, seal
from mandala_cas.envelope.signatures import SigningKey
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError
from mandala_cas.log.announcements import (
    ANNOUNCEMENT_SIZE_MAX,
    CONDEMNED,
    DONE,
    NAMES_MAX,
    Announcements,
    Condemned,
    decode_condemned,
    decode_done,
    digests_of,
    encode_condemned,
    encode_done,
)
from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.tables import Table, encode_tables
from mandala_cas.objectstore.layout import collection_name
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.counting import CountingObjectStore

NONCE = b"n" * 16
CREATED_US = 1_700_000_000_000_000


def condemn(*names: str, nonce: bytes = NONCE) -> tuple[str, bytes]:
    """Return an announcement as name and bytes."""
    name, sealed = encode_condemned(names, created_us=CREATED_US, nonce=nonce, signer=None)
    return name, sealed.to_bytes()


def finish(condemned: str) -> tuple[str, bytes]:
    """Return the word that it was carried out, as name and bytes."""
    name, sealed = encode_done(condemned, 3, 1, created_us=CREATED_US, nonce=NONCE, signer=None)
    return name, sealed.to_bytes()


def named(sealed: Sealed, step: str = CONDEMNED) -> tuple[str, bytes]:
    """Return an object under the name that its bytes have."""
    data = sealed.to_bytes()
    return collection_name(blake3(data).digest(), step), data


@given(st.sets(st.text(min_size=1), min_size=1), st.sets(st.text(min_size=1)))
def test_exactly_what_was_announced_is_condemned(names: set[str], others: set[str]) -> None:
    """Two names with the same eight bytes of blake3 are not found by trying."""
    condemned = decode_condemned(*condemn(*names))

    assert all(name in condemned for name in names)
    assert not any(name in condemned for name in others - names)
    assert len(condemned) == len(names)
    asked = sorted(names | others)
    assert condemned.mask(asked).tolist() == [name in names for name in asked]
    assert condemned.created_us == CREATED_US


def test_only_names_are_condemned() -> None:
    """Whatever else is asked for is not."""
    condemned = decode_condemned(*condemn("a"))

    assert b"a" not in condemned
    assert condemned.mask([]).tolist() == []


def test_digests_sort_as_their_bytes_do() -> None:
    """They are numbers of eight bytes, the first the greatest."""
    (digest,) = digests_of(["packs/x"]).tolist()

    assert digest.to_bytes(8, "big") == blake3(b"packs/x").digest(8)


def test_the_nonce_makes_a_new_name() -> None:
    """An announcement that was read is known by its name; another must not have the same."""
    assert condemn("a")[0] != condemn("a", nonce=b"m" * 16)[0]


def test_the_end_of_a_collection_is_read_as_it_was_written() -> None:
    """Which announcement, and how many."""
    condemned, _ = condemn("a")

    done = decode_done(*finish(condemned))

    assert (done.condemned, done.deleted_count, done.spared_count) == (condemned, 3, 1)


def test_both_are_signed_where_there_is_a_key() -> None:
    """So that a reader can tell who collects."""
    signer = SigningKey(b"k" * 32)
    name, sealed = encode_condemned(["a"], created_us=1, nonce=NONCE, signer=signer)
    done_name, done_sealed = encode_done(name, 1, 0, created_us=1, nonce=NONCE, signer=signer)

    for found in (
        decode_condemned(name, sealed.to_bytes()),
        decode_done(done_name, done_sealed.to_bytes()),
    ):
        assert found.signature is not None
        assert found.signature.verified_key()


@pytest.mark.parametrize(
    ("names", "nonce", "created_us"),
    [([], NONCE, 1), (["a"], b"short", 1), (["a"], NONCE, 1 << 62)],
)
def test_what_the_format_has_no_place_for_is_refused(
    names: list[str], nonce: bytes, created_us: int
) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError):
        encode_condemned(names, created_us=created_us, nonce=nonce, signer=None)


def test_more_names_than_fit_are_refused() -> None:
    """The caller splits them."""
    with pytest.raises(UsageError, match="split them"):
        encode_condemned(map(str, range(NAMES_MAX + 1)), created_us=1, nonce=NONCE, signer=None)


@given(st.integers(0, 8 * 240 - 1))
def test_every_flipped_bit_is_found(bit: int) -> None:
    """The name is the hash of all of it."""
    name, data = condemn("a", "b")
    damaged = bytearray(data)
    damaged[bit // 8 % len(data)] ^= 1 << bit % 8

    with pytest.raises(CorruptionError):
        decode_condemned(name, bytes(damaged))


@pytest.mark.parametrize("decode", [decode_condemned, decode_done])
@pytest.mark.parametrize("make", ["condemned", "done", "strange"])
def test_an_announcement_is_read_only_as_what_its_name_says(decode: type, make: str) -> None:
    """One step is never taken for the other."""
    condemned = condemn("a")
    name, data = {
        "condemned": condemned,
        "done": finish(condemned[0]),
        "strange": ("manifest/3-gc/notes", b""),
    }[make]
    if decode is {"condemned": decode_condemned, "done": decode_done}.get(make):
        return

    with pytest.raises(CorruptionError, match="does not have the name"):
        decode(name, data)


FIELDS: dict[str, object] = {
    "step": CONDEMNED,
    "nonce": NONCE,
    "created_us": 1,
    "min_reader": 1,
    "library": "test",
    "name_count": 2,
}


def table(*digests: int) -> list[Table]:
    """Return the table of an announcement."""
    data = b"".join(digest.to_bytes(8, "big") for digest in digests)
    return [Table(CONDEMNED, len(digests), {"digest": FixedColumn(8, data)})]


@pytest.mark.parametrize(
    ("changes", "digests"),
    [
        ({"step": DONE}, (1, 2)),
        ({"nonce": b"short"}, (1, 2)),
        ({"nonce": "n" * 16}, (1, 2)),
        ({"created_us": 1 << 62}, (1, 2)),
        ({"created_us": None}, (1, 2)),
        ({"min_reader": "1"}, (1, 2)),
        ({"library": 3}, (1, 2)),
        ({"name_count": 3}, (1, 2)),
        ({"name_count": True}, (1,)),
        ({"name_count": -1}, (1, 2)),
        ({"name_count": 0}, ()),
        ({}, (2, 1)),
        ({}, (1, 1)),
    ],
)
def test_what_breaks_a_rule_of_the_format_is_corrupt(
    changes: dict[str, object], digests: tuple[int, ...]
) -> None:
    """Under a name that fits its bytes, too: anyone can make one."""
    payload = encode_tables(table(*digests))
    name, data = named(seal(Kind.COLLECTION, {**FIELDS, **changes}, payload, level=None))

    with pytest.raises(CorruptionError):
        decode_condemned(name, data)


def test_what_keeps_the_rules_is_read() -> None:
    """The case that the ones above are changed from."""
    payload = encode_tables(table(1, 2))
    name, data = named(seal(Kind.COLLECTION, {**FIELDS, "later": 1}, payload, level=None))

    assert decode_condemned(name, data).digests.tolist() == [1, 2]


@pytest.mark.parametrize(
    "changes",
    [
        {"condemned": "packs/x"},
        {"condemned": None},
        {"condemned": collection_name(bytes(32), DONE)},
        {"deleted_count": -1},
        {"spared_count": None},
    ],
)
def test_a_word_that_says_nothing_is_corrupt(changes: dict[str, object]) -> None:
    """It must name an announcement, and count."""
    fields = {
        **FIELDS,
        "step": DONE,
        "condemned": collection_name(bytes(32), CONDEMNED),
        "deleted_count": 1,
        "spared_count": 0,
    }
    whole = decode_done(*named(seal(Kind.COLLECTION, fields, (), level=None), DONE))
    assert whole.deleted_count == 1
    name, data = named(seal(Kind.COLLECTION, {**fields, **changes}, (), level=None), DONE)

    with pytest.raises(CorruptionError):
        decode_done(name, data)


def test_a_newer_announcement_is_not_damage() -> None:
    """What it condemns is real; an older version must not go on as if it were not there."""
    payload = encode_tables(table(1, 2))
    fields = {**FIELDS, "min_reader": 2}
    name, data = named(seal(Kind.COLLECTION, fields, payload, level=None))

    with pytest.raises(UnsupportedFormatError, match="upgrade"):
        decode_condemned(name, data)


class TestReading:
    """``Announcements`` reads each once."""

    def test_each_is_fetched_once(self) -> None:
        """However often somebody publishes."""
        memory = MemoryObjectStore()
        first, second = condemn("a"), condemn("b")
        done = finish(first[0])
        for name, data in (first, second, done):
            memory.put(name, [data])
        store = CountingObjectStore(memory)
        announcements = Announcements(store)
        names = [first[0], second[0], done[0], "manifest/3-gc/notes"]

        again = [announcements.read(names), announcements.read(names)]

        assert [[item.name for item in found] for found in again] == [
            sorted((first[0], second[0]))
        ] * 2
        assert store.requests.gets == 2
        assert [item.condemned for item in announcements.read_done(names)] == [first[0]]
        assert store.requests.gets == 3

    def test_only_what_was_asked_for_is_returned(self) -> None:
        """What is known from before and not asked for is not."""
        memory = MemoryObjectStore()
        first, second = condemn("a"), condemn("b")
        for name, data in (first, second):
            memory.put(name, [data])
        announcements = Announcements(memory)
        announcements.read([first[0], second[0]])

        assert [item.name for item in announcements.read([second[0]])] == [second[0]]

    def test_one_that_is_gone_is_left_out_and_one_that_is_damaged_is_named(self) -> None:
        """Each is asked for again, since it may be repaired."""
        memory = MemoryObjectStore()
        good, gone, bad = condemn("a"), condemn("b"), condemn("c")
        memory.put(good[0], [good[1]])
        memory.put(bad[0], [bad[1][:-1]])
        announcements = Announcements(memory)
        names = [good[0], gone[0], bad[0]]

        assert [item.name for item in announcements.read(names)] == [good[0]]
        assert list(announcements.damaged) == [bad[0]]
        memory.put(bad[0], [bad[1]])
        memory.put(gone[0], [gone[1]])
        assert len(announcements.read(names)) == 3
        assert dict(announcements.damaged) == {}

    def test_a_huge_object_is_not_held_whole(self) -> None:
        """Its name may be anyone's."""
        memory = MemoryObjectStore()
        name, _ = condemn("a")
        memory.put(name, [bytes(ANNOUNCEMENT_SIZE_MAX + 100)])
        store = CountingObjectStore(memory)

        assert Announcements(store).read([name]) == []
        assert store.requests.get_bytes == ANNOUNCEMENT_SIZE_MAX + 1

    def test_the_largest_announcement_is_read(self) -> None:
        """A million names take eight megabytes."""
        memory = MemoryObjectStore()
        digests = range(1, NAMES_MAX + 1)
        payload = encode_tables(table(*digests))
        fields = {**FIELDS, "name_count": NAMES_MAX}
        name, data = named(seal(Kind.COLLECTION, fields, payload, level=None))
        memory.put(name, [data])

        (found,) = Announcements(memory).read([name])

        assert isinstance(found, Condemned)
        assert len(found) == NAMES_MAX
        assert len(data) <= ANNOUNCEMENT_SIZE_MAX
