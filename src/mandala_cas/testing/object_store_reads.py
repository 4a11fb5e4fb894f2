"""The clauses of an object store's contract that are about reading: ranges, batches, listings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import ByteRange, ObjectStore

NAME = "blobs/ab/cd"
"""A name with two slashes, as most have."""


def names_below(store: ObjectStore, prefix: str) -> list[str]:
    """Return the names that a listing gives, sorted."""
    return sorted(info.name for info in store.list(prefix))


class ReadClauses:
    """What reads and listings give, once something has been put."""

    @pytest.mark.parametrize(
        ("offset", "size", "expected"),
        [
            (0, 10, b"0123456789"),
            (2, 3, b"234"),
            (9, 1, b"9"),
            (7, 100, b"789"),
            (0, 1 << 40, b"0123456789"),
            (10, 1, b""),
            (11, 5, b""),
            (1 << 40, 5, b""),
            (3, 0, b""),
            (10, 0, b""),
        ],
    )
    def test_a_range_ends_where_the_object_does(
        self, store: ObjectStore, offset: int, size: int, expected: bytes
    ) -> None:
        """A record may lie about sizes; past the end there is nothing, and that is no error."""
        store.put(NAME, [b"0123456789"])
        buffer = bytearray(b"-" * min(size, 16))

        count = store.get_into(NAME, offset, memoryview(buffer))

        assert store.get_range(NAME, offset, size) == expected
        assert store.get_ranges([ByteRange(NAME, offset, size)]) == [expected]
        assert bytes(buffer) == expected + b"-" * (len(buffer) - len(expected))
        assert count == len(expected)

    def test_a_range_of_an_empty_object_is_empty(self, store: ObjectStore) -> None:
        """Real stores call every range of it unsatisfiable."""
        store.put(NAME, [])

        assert store.get_range(NAME, 0, 5) == b""
        assert store.get_ranges([ByteRange(NAME, 0, 5)]) == [b""]

    def test_get_into_fills_an_array_in_place(self, store: ObjectStore) -> None:
        """A large array is read to where it will live, whatever its shape."""
        array = np.arange(12.0).reshape(3, 4)
        store.put(NAME, [b"head", array.data])
        target = np.zeros((3, 4))

        count = store.get_into(NAME, 4, target.data)

        assert count == array.nbytes
        assert np.array_equal(target, array)

    @pytest.mark.parametrize(
        "buffer",
        [
            pytest.param(memoryview(b"read-only"), id="read-only"),
            pytest.param(memoryview(bytearray(8))[::2], id="gaps"),
        ],
    )
    def test_get_into_refuses_what_it_cannot_fill(
        self, store: ObjectStore, buffer: memoryview
    ) -> None:
        """Filling a copy would look like a success."""
        store.put(NAME, [b"0123456789"])

        with pytest.raises(UsageError):
            store.get_into(NAME, 0, buffer)

    @pytest.mark.parametrize(("offset", "size"), [(-1, 5), (0, -1)])
    def test_negative_numbers_are_refused(self, store: ObjectStore, offset: int, size: int) -> None:
        """A slice would count them from the end, and return the wrong bytes."""
        store.put(NAME, [b"0123456789"])

        with pytest.raises(UsageError):
            store.get_range(NAME, offset, size)
        with pytest.raises(UsageError):
            store.get_ranges([ByteRange(NAME, offset, size)])

    def test_get_many_keeps_the_order_and_marks_what_is_missing(self, store: ObjectStore) -> None:
        """A batch is not spoilt by one that was collected meanwhile; a name may come twice."""
        store.put_many({"a/1": [b"one"], "a/2": [b""], "b/3": [b"three"]})

        found = store.get_many(["b/3", "a/none", "a/1", "a/2", "b/3"])

        assert found == [b"three", None, b"one", b"", b"three"]

    def test_get_ranges_keeps_the_order_and_marks_what_is_missing(self, store: ObjectStore) -> None:
        """Several values of one pack are several ranges of one object."""
        store.put_many({"p/1": [b"0123456789"], "p/2": [b"abc"]})

        found = store.get_ranges(
            [
                ByteRange("p/1", 8, 2),
                ByteRange("p/none", 0, 1),
                ByteRange("p/2", 0, 3),
                ByteRange("p/1", 0, 1),
                ByteRange("p/2", 99, 1),
                ByteRange("p/none", 0, 0),
            ]
        )

        assert found == [b"89", None, b"abc", b"0", b"", None]

    def test_a_listing_has_what_is_below_the_prefix_and_no_more(self, store: ObjectStore) -> None:
        """Nothing from next door, nothing twice, nothing left out."""
        names = ["log/a", "log/b/log/c", "log/b/d", "logs/d", "log2", "blobs/e", "config"]
        store.put_many({name: [name.encode()] for name in names})

        assert names_below(store, "log/") == ["log/a", "log/b/d", "log/b/log/c"]
        assert names_below(store, "log/b/") == ["log/b/d", "log/b/log/c"]
        assert names_below(store, "") == sorted(names)

    def test_a_listing_tells_sizes(self, store: ObjectStore) -> None:
        """``fsck`` finds truncated payload without reading it."""
        store.put_many({"a/1": [b"1"], "a/b/2": [b"22"]})

        assert {info.name: info.size for info in store.list("a/")} == {"a/1": 1, "a/b/2": 2}

    def test_a_flat_listing_comes_in_the_order_of_names(self, store: ObjectStore) -> None:
        """Who reads the log relies on segments being listed before what covers them."""
        names = ["log/1-a/z", "log/2-b", "log/1-a/b/c", "log/2-c/x", "log/1-a.b", "log/10"]
        for name in names:
            store.put(name, [b"x"])

        listed = [info.name for info in store.list("log/")]

        assert listed == sorted(names) or not store.capabilities.flat_list

    def test_a_listing_tells_times_where_it_is_said_to(self, store: ObjectStore) -> None:
        """A collector spares what is young, and must not take the unknown for old."""
        store.put_many({"a/1": [b"1"], "a/b/2": [b"22"]})

        times = [info.modified for info in store.list("")]

        assert len(times) == 2
        assert not store.capabilities.mtime or all(time and time > 1e9 for time in times)

    @pytest.mark.parametrize("prefix", ["", "log/", "log/deep/er/"])
    def test_nothing_is_listed_where_nothing_is(self, store: ObjectStore, prefix: str) -> None:
        """An empty store is no error: the first writer has not come yet."""
        assert names_below(store, prefix) == []

    def test_an_object_is_not_below_itself(self, store: ObjectStore) -> None:
        """``log/`` does not begin the name ``log``."""
        store.put("log", [b"x"])

        assert names_below(store, "log/") == []

    @pytest.mark.parametrize("prefix", ["log", "/", "../", "a//", "a/../", "log*/", "local/"])
    def test_a_prefix_that_is_none_is_refused(self, store: ObjectStore, prefix: str) -> None:
        """Refused when asked, not when the listing is first looked at."""
        with pytest.raises(UsageError):
            store.list(prefix)

    def test_a_listing_may_be_left_early(self, store: ObjectStore) -> None:
        """Whoever has seen enough leaves nothing open."""
        store.put_many({"log/1": [b""], "log/2": [b""]})

        listing: Iterator[object] = store.list("log/")
        next(listing)
        del listing

        assert names_below(store, "log/") == ["log/1", "log/2"]

    def test_a_put_shows_in_a_listing_that_starts_later(self, store: ObjectStore) -> None:
        """No listing and no missing object is remembered from before, nested or not."""
        assert names_below(store, "log/") == []
        assert store.get_many(["log/a/1"]) == [None]

        for number in range(3):
            store.put(f"log/a/{number}", [b"x"])

            assert len(names_below(store, "log/")) == number + 1
            assert len(names_below(store, "log/a/")) == number + 1
        assert store.get("log/a/1") == b"x"
