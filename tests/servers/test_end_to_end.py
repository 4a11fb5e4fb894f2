"""What a user does with a store in a bucket, on every server and with every engine."""

from __future__ import annotations

import numpy as np
import pytest

from mandala_cas.errors import UsageError
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.opening import Engine, open_object_store
from mandala_cas.testing.servers import BucketServer

pytestmark = [
    pytest.mark.servers,
    # adlfs and gcsfs hand large bodies to aiohttp in a way that it advises against.
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]

PLACES: list[tuple[str, Engine]] = [
    ("ceph", "fsspec"),
    ("ceph", "obstore"),
    ("seaweedfs", "fsspec"),
    ("seaweedfs", "obstore"),
    ("juicefs", "fsspec"),
    ("juicefs", "obstore"),
    ("azurite", "fsspec"),
    ("azurite", "obstore"),
    ("fake_gcs", "fsspec"),
]
IDS = [f"{server}-{engine}" for server, engine in PLACES]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> tuple[BucketServer, Engine]:
    """Return the server and the engine of a pair of ``PLACES``."""
    name, engine = request.param
    return request.getfixturevalue(name), engine


@pytest.mark.parametrize("place", PLACES, ids=IDS, indirect=True)
def test_calls_are_remembered_dropped_and_unwrapped(place: tuple[BucketServer, Engine]) -> None:
    """By one storage after the other, as by machines that share nothing but the bucket."""
    server, engine = place
    url = server.fresh_url()
    ran: list[int] = []

    def opened() -> Storage:
        return Storage(open_object_store(url, server.storage_options, engine=engine))

    @op(name="spread")
    def spread(seed: int, size: int) -> np.ndarray:
        ran.append(seed)
        return np.random.default_rng(seed).normal(size=size)

    @op(name="total")
    def total(values: np.ndarray) -> float:
        return float(np.sum(values))

    # Values of each kind of place: within the segment, in a pack, and an object of its own.
    sizes = {1: 4, 2: 10_000, 3: 400_000}
    expected = {seed: np.random.default_rng(seed).normal(size=size) for seed, size in sizes.items()}
    with opened() as storage:
        for seed, size in sizes.items():
            total(spread(seed, size))
    storage.close()

    with opened() as storage:
        found = {seed: spread(seed, size) for seed, size in sizes.items()}
        totals = {seed: storage.unwrap(total(values)) for seed, values in found.items()}
    assert ran == [1, 2, 3], "nothing was computed a second time"
    for seed, values in found.items():
        assert np.array_equal(storage.unwrap(values), expected[seed])
        assert totals[seed] == float(np.sum(expected[seed]))
    storage.drop_calls(storage.cf(spread).df(values="refs")["spread"])
    storage.close()

    with opened() as storage:
        again = storage.unwrap(spread(1, 4))
    storage.close()
    assert ran == [1, 2, 3, 1], "what was dropped counts as never made"
    assert np.array_equal(again, expected[1])


@pytest.mark.parametrize("place", PLACES, ids=IDS, indirect=True)
def test_a_bucket_that_is_not_there_is_no_empty_store(
    place: tuple[BucketServer, Engine],
) -> None:
    """A typing error would hide a year of results, and put the next ones elsewhere."""
    server, engine = place
    url = f"{server.scheme}://no-such-bucket/team"

    with pytest.raises(UsageError, match="there is no bucket no-such-bucket; create it"):
        Storage(open_object_store(url, server.storage_options, engine=engine))


@pytest.mark.parametrize("place", PLACES, ids=IDS, indirect=True)
def test_both_engines_spell_names_alike(place: tuple[BucketServer, Engine]) -> None:
    """A colleague without obstore finds what one with it has put, and the other way round."""
    server, engine = place
    url = f"{server.fresh_url()}/a~b c"
    names = ["config", "blobs/ab/0123~00ff", "a_b-c=d~e/f.g.h"]
    store = open_object_store(url, server.storage_options, engine=engine)
    store.put_many({name: [name.encode()] for name in names})
    store.close()

    other = open_object_store(url, server.storage_options, engine="fsspec")
    found = other.get_many(names)
    listed = sorted(info.name for info in other.list(""))
    other.close()

    assert found == [name.encode() for name in names]
    assert listed == sorted(names)
