"""Digests of large buffers: right, taken once, and safe in a child process."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import SimpleQueue

import numpy as np
import pytest
from blake3 import blake3

from mandala_cas.codec.digests import BIG, Digests, payload_digest, payload_hash
from mandala_cas.envelope.hashing import new_hasher


@pytest.mark.parametrize("size", [0, 1, BIG - 1, BIG, 5 << 20])
def test_a_digest_is_plain_blake3(size: int) -> None:
    """Anyone can check it with ``b3sum``."""
    data = np.arange(size, dtype=np.uint8)

    assert Digests().of(data.data if size else b"") == blake3(data.tobytes()).digest()


def test_a_digest_is_taken_once_while_its_buffer_is_held() -> None:
    """By place in memory: the codec has another view of what was hashed for the id."""
    data = np.zeros(BIG, np.uint8)
    digests = Digests()

    first = digests.of(data.data)
    data[0] = 1

    assert digests.of(data.reshape(2, -1).data) == first
    assert Digests().of(data.data) != first


def test_a_buffer_is_kept_as_long_as_its_digest() -> None:
    """Or another could come to lie in its place."""
    digests = Digests()

    found = [digests.of(np.full(BIG, byte, np.uint8).data) for byte in range(20)]

    assert len(set(found)) == 20


def test_parts_of_one_buffer_are_not_mixed_up() -> None:
    """They may begin at the same place."""
    data = memoryview(bytes(4 * BIG))
    digests = Digests()

    assert digests.of(data[: 2 * BIG]) != digests.of(data[: 3 * BIG])
    assert digests.of(data[: 2 * BIG]) == digests.of(data[BIG : 3 * BIG])


def test_the_digest_of_a_payload_comes_for_free_where_it_is_large() -> None:
    """An envelope needs it, and would take it again."""
    parts = (bytes(BIG), b"tail")

    assert payload_digest((b"small",), Digests()) is None
    assert payload_digest(parts, Digests()) == blake3(b"".join(parts)).digest()


def test_a_payload_hash_depends_on_each_part() -> None:
    """The same bytes are another value to another codec, version or header."""
    hashes = {
        payload_hash(*described, (payload,), Digests())
        for described in [("a", 1, b"h"), ("ah", 1, b""), ("b", 1, b"h"), ("a", 2, b"h")]
        for payload in (b"p", b"", bytes(BIG), bytes(BIG - 1))
    }

    assert len(hashes) == 16


def put_digest(queue: SimpleQueue[bytes]) -> None:
    """Send the digest of a large buffer."""
    queue.put(new_hasher(8 << 20).update(bytes(8 << 20)).digest())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here"
)
def test_a_forked_child_can_hash() -> None:
    """A pool of threads that the parent started is dead there, and waiting for it has no end."""
    context = multiprocessing.get_context("fork")
    queue: SimpleQueue[bytes] = context.SimpleQueue()
    put_digest(queue)
    expected = queue.get()

    child = context.Process(target=put_digest, args=(queue,))
    child.start()
    child.join(60)
    is_done = not child.is_alive()
    child.kill()

    assert is_done
    assert queue.get() == expected
