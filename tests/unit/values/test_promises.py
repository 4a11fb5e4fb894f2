"""Promises: who holds what was freed here, and how it comes back."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.upkeep.other_stores import KEY, Lasting, OpenedStore, promises_at
from tests.unit.upkeep.small_stores import (
    call_of,
    content_of,
    inline_of,
    payload_of,
    publish,
    put_loose,
    put_pack,
)

from mandala_cas.blobs.value import seal_value, unseal_value
from mandala_cas.errors import MandalaError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.layout import payload_hash_of_blob
from mandala_cas.values.promises import Promises

URL = "s3://bucket/store"
LATER = {"evicted_us": 2}
A, B, C, D = (("packs/aa/x", bytes(31) + bytes([number])) for number in range(4))


@pytest.fixture
def remote() -> Lasting:
    """Return a store with one value in each tier."""
    store = Lasting(URL)
    values = [inline_of("i"), *put_pack(store, "rest", "p"), put_loose(store, "l")]
    publish(store, *values, call_of("f", ["i", "p"], ["l"]))
    return store


def test_a_promise_lasts_and_says_what_was_freed(tmp_path: Path) -> None:
    """The next process reads it."""
    promises_at(tmp_path).add(URL, [A, B], evicted_us=5)

    promises = promises_at(tmp_path)

    (promise,) = promises.all()
    assert (promise.url, promise.evicted_us, len(promise.digests)) == (URL, 5, 2)
    assert promises.among([A, B]) == {A, B}
    assert promises.among([]) == set()


def test_a_promise_is_of_a_value_in_an_object(tmp_path: Path) -> None:
    """The rest of the object may be held nowhere, and the value may be lost in another place."""
    promises = promises_at(tmp_path)
    promises.add(URL, [A], evicted_us=5)

    assert promises.among([B, A, ("packs/aa/y", A[1])]) == {A}


def test_promises_of_one_store_are_joined_and_those_of_others_kept(tmp_path: Path) -> None:
    """Eviction is done again and again."""
    promises = promises_at(tmp_path)
    promises.add(URL, [A, B], evicted_us=1)
    promises.add("gs://other", [C], evicted_us=2)

    promises.add(URL, [B, D], evicted_us=3)

    found = {promise.url: promise for promise in promises.all()}
    assert found[URL].evicted_us == 3
    assert [len(promise.digests) for promise in found.values()] == [3, 1]
    assert promises.among([A, B, C, D]) == {A, B, C, D}


def test_what_others_wrote_to_the_file_is_kept(tmp_path: Path) -> None:
    """It is the configuration of a machine, not only of promises."""
    config = tmp_path / "local" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"other": [1, 2]}), "utf-8")

    promises_at(tmp_path).add(URL, [A], evicted_us=1)

    assert json.loads(config.read_text("utf-8"))["other"] == [1, 2]
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]


def test_promises_to_another_user_are_kept(tmp_path: Path) -> None:
    """Two who share a folder on one machine free with a key each."""
    promises_at(tmp_path, key=b"x" * 32).add(URL, [A], evicted_us=1)

    promises_at(tmp_path).add(URL, [B], evicted_us=2)

    other, own = promises_at(tmp_path, key=b"x" * 32), promises_at(tmp_path)
    assert [promises.among([A, B]) for promises in (other, own)] == [{A}, {B}]


def test_of_two_who_free_at_once_both_are_promised(tmp_path: Path) -> None:
    """Else what one of them freed would count as lost."""
    threads: list[threading.Thread] = []

    class Overtaken(Promises):
        """Lets another go on between reading and writing, as far as it can."""

        def _read_file(self) -> dict[str, Any]:
            """Read, then wait for the other, who should not get through now."""
            fields = super()._read_file()
            other = promises_at(tmp_path)
            threads.append(threading.Thread(target=other.add, args=(URL, [B]), kwargs=LATER))
            threads[0].start()
            threads[0].join(0.2)
            return fields

    overtaken = Overtaken(
        tmp_path / "local" / "config.json",
        key=KEY,
        open_remote=lambda url: OpenedStore(Lasting(url)),
    )
    overtaken.add("gs://other", [A], evicted_us=1)
    threads[0].join()

    promises = promises_at(tmp_path)
    assert promises.among([A, B]) == {A, B}


def test_a_file_that_cannot_be_read_is_not_written_anew(tmp_path: Path) -> None:
    """What it promises would be forgotten."""
    config = tmp_path / "local" / "config.json"
    config.mkdir(parents=True)

    with pytest.raises(MandalaError, match=r"config\.json"):
        promises_at(tmp_path).add(URL, [A], evicted_us=1)

    assert [path.name for path in config.parent.iterdir() if path != config] == []


@pytest.mark.parametrize(
    "data", [b"", b"not json", b"[1]", b'{"promises": 3}', b'{"promises": [1, {}]}', b"\xff"]
)
def test_a_file_that_is_none_promises_nothing(tmp_path: Path, data: bytes) -> None:
    """And can be written again."""
    config = tmp_path / "local" / "config.json"
    config.parent.mkdir()
    config.write_bytes(data)
    promises = promises_at(tmp_path)

    assert promises.all() == ()
    assert promises.among([A]) == set()
    promises.add(URL, [A], evicted_us=1)
    assert promises.among([A]) == {A}


def test_a_promise_that_another_user_wrote_is_none(tmp_path: Path, remote: Lasting) -> None:
    """A folder that was sent must not make anyone open a place of the sender's choice."""
    promises_at(tmp_path, key=b"x" * 32).add(URL, [A], evicted_us=1)

    def never(url: str) -> OpenedStore:
        """Fail: nothing may be opened."""
        raise AssertionError(url)

    promises = Promises(tmp_path / "local" / "config.json", key=KEY, open_remote=never)

    assert promises.all() == ()
    assert promises.fetch([content_of("l")]) == {}
    assert promises_at(tmp_path, remote, key=b"x" * 32).fetch([content_of("l")])


@pytest.mark.parametrize("field", ["url", "evicted_us", "values"])
def test_a_promise_that_was_edited_is_none(tmp_path: Path, field: str) -> None:
    """All of it is under the keyed hash."""
    promises_at(tmp_path).add(URL, [A], evicted_us=1)
    config = tmp_path / "local" / "config.json"
    fields = json.loads(config.read_text("utf-8"))
    fields["promises"][0][field] = "AAAAAAAAAAA=" if field == "values" else 7
    config.write_text(json.dumps(fields), "utf-8")

    assert promises_at(tmp_path).all() == ()


@pytest.mark.parametrize(
    "url", ["https://me:secret@host/x", "az://c@host/x?sig=abc", "gs://bucket/x#token"]
)
def test_a_url_with_a_secret_is_refused(tmp_path: Path, url: str) -> None:
    """The file is plain text, and the message must not repeat it either."""
    with pytest.raises(UsageError, match="no password") as caught:
        promises_at(tmp_path).add(url, [A], evicted_us=1)

    assert "secret" not in str(caught.value)
    assert not (tmp_path / "local").exists()


def test_a_url_that_names_a_container_with_an_at_sign_is_fine(tmp_path: Path) -> None:
    """Azure writes places so."""
    promises_at(tmp_path).add("abfs://container@account.example/x", [A], evicted_us=1)

    assert promises_at(tmp_path).among([A]) == {A}


def test_values_of_every_tier_come_back_whole(tmp_path: Path, remote: Lasting) -> None:
    """As envelopes that check against the record that comes with them."""
    promises = promises_at(tmp_path, remote)
    promises.add(URL, [A], evicted_us=1)

    found = promises.fetch([content_of(text) for text in ("i", "p", "l", "nowhere")])

    assert set(found) == {content_of(text) for text in ("i", "p", "l")}
    for text in ("i", "p", "l"):
        value = found[content_of(text)]
        record = value.copy.record
        assert value.url == URL
        assert record.stored_size == len(value.sealed)
        assert payload_hash_of_blob(record.location) == record.payload_hash
        assert unseal_value(value.sealed, name="back", record=record).payload == payload_of(text)


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path, remote: Lasting) -> None:
    """And each store once."""
    opened: list[str] = []

    def count(url: str) -> OpenedStore:
        """Open, and note it."""
        opened.append(url)
        return OpenedStore(remote)

    promises = Promises(tmp_path / "local" / "config.json", key=KEY, open_remote=count)
    promises.add(URL, [A], evicted_us=1)
    assert promises.fetch([]) == {}
    assert opened == []

    promises.fetch([content_of("l")])
    promises.fetch([content_of("p")])

    assert opened == [URL]


def test_a_damaged_copy_gives_way_to_the_next_one(tmp_path: Path, remote: Lasting) -> None:
    """Every read verifies, also this one."""
    promises = promises_at(tmp_path, remote)
    promises.add(URL, [A], evicted_us=1)
    (record,) = put_pack(remote, "twice")
    publish(remote, record, put_loose(remote, "twice"), call_of("g", ["i"], ["twice"]), writer=2)
    data = bytearray(remote.get(record.location))
    data[record.offset + 100] ^= 1
    remote.put(record.location, [bytes(data)])

    (value,) = promises.fetch([content_of("twice")]).values()

    assert unseal_value(value.sealed, name="b", record=value.copy.record).payload == payload_of(
        "twice"
    )


def test_what_is_not_what_its_record_says_does_not_come_back(
    tmp_path: Path, remote: Lasting
) -> None:
    """An envelope may be whole and hold another value."""
    promises = promises_at(tmp_path, remote)
    promises.add(URL, [A], evicted_us=1)
    record = put_loose(remote, "right")
    # Its header says what the record says, and its check sums are its own.
    wrong = seal_value(record.payload_hash, "plain", 1, b"\x80", [payload_of("wrong")])
    remote.put(record.location, wrong.parts)
    publish(remote, record, call_of("g", ["i"], ["right"]), writer=2)

    assert promises.fetch([content_of("right")]) == {}


def test_another_store_is_asked_where_one_does_not_have_it(tmp_path: Path) -> None:
    """After a collection there, or while it is away."""
    other = Lasting("gs://other")
    publish(other, put_loose(other, "l"), inline_of("i"), call_of("f", ["i"], ["l"]))

    def open_one(url: str) -> OpenedStore:
        """Be away."""
        if url == URL:
            raise StoreUnavailableError("the store does not answer; try again", url=url)
        return OpenedStore(other)

    promises = Promises(tmp_path / "local" / "config.json", key=KEY, open_remote=open_one)
    promises.add("gs://other", [A], evicted_us=1)
    promises.add(URL, [A], evicted_us=2)

    assert set(promises.fetch([content_of("l")])) == {content_of("l")}
    with pytest.raises(StoreUnavailableError):
        promises.fetch([content_of("p")])


def test_a_key_has_thirty_two_bytes(tmp_path: Path) -> None:
    """A shorter one could be guessed."""
    with pytest.raises(UsageError, match="32 bytes"):
        promises_at(tmp_path, key=b"short")
