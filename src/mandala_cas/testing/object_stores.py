"""The contract of an object store, one clause to a test.

Subclass ``ObjectStoreSuite`` in a test module, and give it a fixture ``store`` that returns an
empty store, one of its own for each test::

    class TestMyStore(ObjectStoreSuite):
        @pytest.fixture
        def store(self) -> MyStore:
            return MyStore()
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.objectstore.api import Buffer, ByteRange, ObjectStore, Pieces
from mandala_cas.testing.object_store_reads import NAME, ReadClauses, names_below

HOSTILE_NAMES = (
    "",
    "/",
    "/etc/passwd",
    "../x",
    "..",
    "a/../../x",
    "a/./b",
    ".hidden",
    "a//b",
    "a/",
    "a\\b",
    "..\\x",
    "C:/x",
    "a\0b",
    "a\nb",
    "a*",
    "a[b]",
    "a?x=1",
    "a#b",
    "~/x/ ",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "\udcff",
    "a" * 201,
    "local/tmp/x",
    "local",
)
"""Names that would reach another place than the one they spell, on some store or other."""

LARGE_SIZE = 6 * 1024 * 1024 + 17
THREAD_COUNT = 16


def large_value(seed: int = 0) -> bytes:
    """Return bytes that do not compress and are no round number."""
    return random.Random(seed).randbytes(LARGE_SIZE)  # noqa: S311 (no secret)


class ObjectStoreSuite(ReadClauses):
    """The contract of ``ObjectStore``."""

    @pytest.mark.parametrize("data", [b"", b"\0", b"a\r\nb\x1a\xff", b"mandala" * 1000])
    def test_get_returns_what_put_took(self, store: ObjectStore, data: bytes) -> None:
        """Bytes survive the round trip, none at all and line ends included."""
        store.put(NAME, [data])

        assert store.get(NAME) == data

    def test_the_parts_are_joined_in_order(self, store: ObjectStore) -> None:
        """An envelope is put as header, payload and trailer, without being joined before."""
        parts: list[Buffer] = [b"head", b"", bytearray(b"body"), memoryview(b"tail")]

        store.put(NAME, iter(parts))

        assert store.get(NAME) == b"headbodytail"

    def test_pieces_are_put_as_their_sum(self, store: ObjectStore) -> None:
        """A large value is never whole in memory; other objects of a batch are not disturbed."""
        data = large_value()
        pieces = Pieces(
            len(data), lambda: (data[i : i + 70_001] for i in range(0, len(data), 70_001))
        )

        store.put(NAME, pieces)
        store.put_many({"blobs/ab/ce": pieces, "blobs/ab/cf": [b"x"]})

        assert store.get_many([NAME, "blobs/ab/ce", "blobs/ab/cf"]) == [data, data, b"x"]

    def test_no_parts_make_an_empty_object(self, store: ObjectStore) -> None:
        """An object without bytes is there all the same."""
        store.put(NAME, [])

        assert store.get(NAME) == b""
        assert [info.size for info in store.list("blobs/")] == [0]

    @pytest.mark.parametrize(
        "part",
        [
            pytest.param(np.arange(6.0).reshape(2, 3).data, id="two dimensions"),
            pytest.param(np.arange(12, dtype="<u2")[::2].data, id="every other"),
            pytest.param(np.zeros((0, 3)).data, id="no rows"),
            pytest.param(np.asfortranarray(np.arange(6).reshape(2, 3)).data, id="columns"),
            pytest.param(memoryview(b"0123456789")[3:7], id="middle"),
        ],
    )
    def test_a_view_of_any_shape_is_stored_as_its_bytes(
        self, store: ObjectStore, part: memoryview
    ) -> None:
        """A codec hands out views of a user's arrays, whose length is no count of bytes."""
        store.put(NAME, [b"<", part, b">"])

        assert store.get(NAME) == b"<" + part.tobytes() + b">"

    def test_a_part_may_change_once_put_has_returned(self, store: ObjectStore) -> None:
        """The caller may use the memory again: the store keeps no view of it."""
        part = bytearray(b"before")
        store.put(NAME, [part])
        store.put_many({"blobs/ab/ce": [part]})

        part[:] = b"after!"

        assert store.get(NAME) == b"before"
        assert store.get("blobs/ab/ce") == b"before"

    def test_a_large_object_of_many_parts_survives(self, store: ObjectStore) -> None:
        """Some stores take large objects in pieces of their own."""
        data = large_value()
        cuts = [0, 1, 1, 5 * 1024 * 1024 + 1, len(data)]

        store.put(NAME, [data[start:end] for start, end in itertools.pairwise(cuts)])

        assert hashlib.sha256(store.get(NAME)).digest() == hashlib.sha256(data).digest()
        assert [info.size for info in store.list("blobs/")] == [len(data)]

    def test_putting_the_same_again_changes_nothing(self, store: ObjectStore) -> None:
        """A retry after a lost answer is harmless."""
        store.put(NAME, [b"same"])

        store.put(NAME, [b"sa", b"me"])
        store.put_many({NAME: [b"same"]})

        assert store.get(NAME) == b"same"
        assert names_below(store, "") == [NAME]

    @pytest.mark.parametrize("other", [b"longer than that", b"othr"])
    def test_putting_other_bytes_replaces_the_object(
        self, store: ObjectStore, other: bytes
    ) -> None:
        """A damaged object, or one encoded otherwise, can be replaced; its size may be the same."""
        store.put(NAME, [b"once"])

        store.put(NAME, [other])

        assert store.get(NAME) == other
        assert [(info.name, info.size) for info in store.list("")] == [(NAME, len(other))]

    def test_put_many_puts_all(self, store: ObjectStore) -> None:
        """A flush puts its payload in one batch."""
        objects: dict[str, list[Buffer]] = {
            f"packs/{number:02x}/{number}": [b"%d" % number, memoryview(b"!")]
            for number in range(40)
        }

        store.put_many(objects)

        assert store.get_many(list(objects)) == [b"%d!" % number for number in range(40)]
        assert names_below(store, "packs/") == sorted(objects)

    def test_batches_of_nothing_do_nothing(self, store: ObjectStore) -> None:
        """A caller need not ask first whether there is anything to do."""
        store.put_many({})
        store.delete([])

        assert store.get_many([]) == []
        assert store.get_ranges([]) == []
        assert names_below(store, "") == []

    def test_create_keeps_the_first(self, store: ObjectStore) -> None:
        """The second of two that set up a store adopts what the first one wrote."""
        first = store.create("config", b"first")
        second = store.create("config", b"second")

        assert (first, second) == (True, False)
        assert store.get("config") == b"first"

    def test_of_racing_creators_one_is_told_so(self, store: ObjectStore) -> None:
        """A store that promises ``atomic_create`` has one winner, whose bytes stay."""
        start = threading.Barrier(THREAD_COUNT)

        def create(number: int) -> bool:
            start.wait()
            return store.create("config", b"%d" % number)

        with ThreadPoolExecutor(THREAD_COUNT) as pool:
            made = list(pool.map(create, range(THREAD_COUNT)))

        winners = [b"%d" % number for number, won in enumerate(made) if won]
        assert store.get("config") in winners
        assert len(winners) == 1 or not store.capabilities.atomic_create

    @pytest.mark.parametrize(
        "get",
        [
            pytest.param(lambda store: store.get("log/never"), id="get"),
            pytest.param(lambda store: store.get_range("log/never", 0, 9), id="get_range"),
            pytest.param(lambda store: store.get_range("log/never", 0, 0), id="empty range"),
            pytest.param(
                lambda store: store.get_into("log/never", 0, memoryview(bytearray(9))),
                id="get_into",
            ),
            pytest.param(
                lambda store: store.get_into("log/never", 0, memoryview(bytearray())),
                id="empty get_into",
            ),
        ],
    )
    def test_what_is_not_there_is_named(
        self, store: ObjectStore, get: Callable[[ObjectStore], object]
    ) -> None:
        """The error carries the name as a detail, and spells it."""
        store.put("log/other", [b""])

        with pytest.raises(NotFoundError, match="log/never") as caught:
            get(store)

        assert caught.value.name == "log/never"

    @pytest.mark.parametrize("name", ["log", "log/seg", "log/segment/x", "segment"])
    def test_a_name_is_no_path(self, store: ObjectStore, name: str) -> None:
        """What is above, beside or below an object on a disk is no object."""
        store.put("log/segment", [b"x"])

        with pytest.raises(NotFoundError):
            store.get(name)
        assert store.get_many([name]) == [None]

    def test_names_are_listed_as_they_were_put(self, store: ObjectStore) -> None:
        """A collector that saw other names than writers use would take the living for dead."""
        names = [
            "config",
            "README.txt",
            "manifest/1-log/0123456789ab-0123456789abcdef-000000-0123456789abcdef",
            "blobs/ab/" + "0123456789abcdef" * 4 + "~00ff",
            "a_b-c=d~e/f.g.h",
            "x" * 200,
        ]
        store.put_many({name: [b"x"] for name in names})

        assert names_below(store, "") == sorted(names)
        assert store.get_many(names_below(store, "")) == [b"x"] * len(names)

    def test_a_listing_of_many_is_whole(self, store: ObjectStore) -> None:
        """Stores list page by page; there is no fixed order, but nothing may fall in between."""
        names = [f"log/{number:04d}" for number in range(60)]
        store.put_many({name: [b""] for name in names})

        assert names_below(store, "log/") == names

    def test_what_is_deleted_is_gone(self, store: ObjectStore) -> None:
        """From reads as from listings."""
        store.put_many({name: [b"x"] for name in ("log/1", "log/2", "log/3", "log/4")})
        assert len(names_below(store, "log/")) == 4

        store.delete(iter(["log/1", "log/3"]))

        assert names_below(store, "log/") == ["log/2", "log/4"]
        assert store.get_many(["log/1", "log/2"]) == [None, b"x"]

    def test_deleting_what_is_not_there_is_a_success(self, store: ObjectStore) -> None:
        """Two collectors may delete the same; what is there goes all the same."""
        store.put("log/1", [b"x"])

        store.delete(["log/none", "log/1", "other/none", "log/1/below"])
        store.delete(["log/1"])

        assert names_below(store, "") == []

    def test_a_deleted_object_can_be_put_again(self, store: ObjectStore) -> None:
        """Also where its directory went with it."""
        store.put(NAME, [b"old"])
        store.delete([NAME])

        store.put(NAME, [b"new"])

        assert store.get(NAME) == b"new"
        assert names_below(store, "blobs/ab/") == [NAME]

    def test_many_threads_may_put_at_once(self, store: ObjectStore) -> None:
        """Into the same new directory, and under the same name as well."""
        start = threading.Barrier(THREAD_COUNT)

        def put(number: int) -> None:
            start.wait()
            store.put(f"log/{number:02d}", [b"%d" % number])
            store.put("log/same", [b"same"])

        with ThreadPoolExecutor(THREAD_COUNT) as pool:
            list(pool.map(put, range(THREAD_COUNT)))

        expected = [f"log/{number:02d}" for number in range(THREAD_COUNT)]
        assert names_below(store, "log/") == [*expected, "log/same"]
        assert store.get_many(expected) == [b"%d" % number for number in range(THREAD_COUNT)]
        assert store.get("log/same") == b"same"

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_a_hostile_name_is_refused(self, store: ObjectStore, name: str) -> None:
        """Refused by every method, and nothing is touched: not what stands beside it either."""
        store.put("kept", [b"kept"])
        attempts: list[Callable[[], object]] = [
            lambda: store.put(name, [b"x"]),
            lambda: store.put_many({"good": [b"x"], name: [b"x"]}),
            lambda: store.create(name, b"x"),
            lambda: store.get(name),
            lambda: store.get_range(name, 0, 1),
            lambda: store.get_into(name, 0, memoryview(bytearray(1))),
            lambda: store.get_many(["kept", name]),
            lambda: store.get_ranges([ByteRange("kept", 0, 1), ByteRange(name, 0, 1)]),
            lambda: store.delete(["kept", name]),
        ]

        for attempt in attempts:
            with pytest.raises(UsageError) as caught:
                attempt()
            assert caught.value.name == name
        assert names_below(store, "") == ["kept"]

    def test_the_url_is_a_text_for_people(self, store: ObjectStore) -> None:
        """Messages say where; no listing, no request, and no trailing slash."""
        assert store.url
        assert store.url == store.url.rstrip("/")

    def test_closing_twice_is_harmless(self, store: ObjectStore) -> None:
        """A context manager may close what its owner closed before."""
        store.put(NAME, [b"x"])

        store.close()
        store.close()
