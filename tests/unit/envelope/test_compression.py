"""Compression: what decides about it, and what comes out of a frame, honest or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zstandard
from blake3 import blake3

from mandala_cas.envelope import compression
from mandala_cas.envelope.compression import (
    CompressionHint,
    compressed,
    decompressed,
    room_for,
    shrinks,
)
from mandala_cas.envelope.seal import Compression, Kind, seal
from mandala_cas.errors import CorruptionError
from mandala_cas.objectstore.api import Buffer, Pieces

SIZE = 3 << 20
NOISE = blake3(b"noise").digest(SIZE)


def pieces_of(data: bytes, size: int, *, sampled: bool = True) -> Pieces:
    """Return ``data`` in pieces."""

    def make() -> Iterator[Buffer]:
        return (data[start : start + size] for start in range(0, len(data), size))

    sample = (lambda offset, count: data[offset : offset + count]) if sampled else None
    return Pieces(len(data), make, sample)


def frame_of(data: bytes) -> bytes:
    """Return one frame of zstd."""
    return b"".join(compressed([data], len(data), 1))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes(200_000) + NOISE, False),
        (NOISE[:200_000] + bytes(SIZE), True),
        (NOISE[:40_000] + bytes(40_000), True),
        (NOISE[:40_000] + bytes(4_000), False),
        (b"x", False),
    ],
)
def test_samples_from_all_over_decide(*, data: bytes, expected: bool) -> None:
    """A header of zeros says nothing of gigabytes of noise, nor a noisy one of zeros."""
    cut = [data[: len(data) // 3], b"", data[len(data) // 3 :]]

    assert shrinks([data]) is expected
    assert shrinks(cut) is expected
    assert shrinks(pieces_of(data, 1000)) is expected


def test_pieces_that_cannot_be_sampled_are_judged_by_the_first() -> None:
    """To make all of them, only to look at some, would cost more than it may save."""
    made: list[int] = []

    def make() -> Iterator[Buffer]:
        for number in range(3):
            made.append(number)
            yield bytes(100_000)

    assert shrinks(Pieces(300_000, make))
    assert made == [0]


@pytest.mark.parametrize(("hint", "expected"), [("sample", 1), ("never", 0)])
def test_who_knows_that_nothing_shrinks_is_believed(hint: CompressionHint, expected: int) -> None:
    """Looking at what is compressed already would be for nothing."""
    data = seal(Kind.VALUE, {}, [bytes(10_000)], hint=hint).to_bytes()

    assert data[10] == Compression(expected)


def test_pieces_are_sealed_as_their_sum_is() -> None:
    """However they are cut, raw or compressed."""
    for data in (NOISE[:300_000], bytes(300_000)):
        whole = seal(Kind.VALUE, {"a": 1}, [data]).to_bytes()

        assert seal(Kind.VALUE, {"a": 1}, pieces_of(data, 70_001)).to_bytes() == whole


def test_the_number_of_threads_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two machines that merge the same, both make the same object."""
    data = b"".join(number.to_bytes(4, "little") for number in range(5 << 20))
    frames: list[bytes] = []
    for count in (1, 2, 5):
        monkeypatch.setattr(compression, "thread_count", lambda count=count: count)
        frames.append(frame_of(data))

    assert frames[0] == frames[1] == frames[2]
    assert decompressed("it", memoryview(frames[0]), len(data))[0] == data


@pytest.mark.parametrize(
    "data",
    [
        bytes(SIZE),
        NOISE[: SIZE // 2] + bytes(SIZE // 2),
        bytes(SIZE // 2) + NOISE,
        NOISE[: 1 << 20],
    ],
)
def test_a_frame_at_the_end_of_its_room_is_unpacked_to_the_beginning(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever shrinks more, the beginning or the end: nothing is overwritten unread, or moved."""
    sources: list[compression._Source] = []

    class Watched(compression._Source):
        def __init__(self, stored: memoryview, target: memoryview) -> None:
            super().__init__(stored, target)
            sources.append(self)

    monkeypatch.setattr(compression, "_Source", Watched)
    frame = frame_of(data)
    room = memoryview(bytearray(room_for(len(data))))
    room[len(room) - len(frame) :] = frame

    payload, digest = decompressed("it", room[len(room) - len(frame) :], len(data), room)

    assert payload == data
    assert digest == blake3(data).digest()
    assert [source._stored.obj for source in sources] == [room.obj]
    payload[0] = 1
    assert room[0] == 1


def test_a_room_that_is_too_small_costs_a_copy_and_no_byte() -> None:
    """Whoever makes frames by hand may make such as grow."""
    data = bytes(SIZE) + NOISE
    frame = frame_of(data)
    room = memoryview(bytearray(len(data)))
    room[len(room) - len(frame) :] = frame

    payload, _ = decompressed("it", room[len(room) - len(frame) :], len(data), room)

    assert payload == data


@pytest.mark.parametrize(
    ("frame", "raw_size", "message"),
    [
        (frame_of(NOISE)[:-1000], SIZE, "unpacks to|cannot read"),
        (frame_of(NOISE) + frame_of(b"more"), SIZE, "more than"),
        (frame_of(NOISE) + b"more", SIZE, "cannot read"),
        (frame_of(NOISE), SIZE + 1, "does not unpack"),
        (frame_of(bytes(1000)), 1 << 40, "claims"),
        (zstandard.ZstdCompressor(write_content_size=False).compress(NOISE), SIZE, "does not"),
        (b"no frame at all" * 10, SIZE, "cannot read|does not"),
    ],
)
def test_a_frame_that_is_not_what_its_trailer_says_is_refused(
    frame: bytes, raw_size: int, message: str
) -> None:
    """Before memory is set aside, where that can be told; a hash can be right all the same."""
    with pytest.raises(CorruptionError, match=message):
        decompressed("it", memoryview(frame), raw_size)


def test_no_memory_is_set_aside_for_a_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that states another size than its trailer is refused before."""
    monkeypatch.setattr(compression, "new_buffer", lambda _: pytest.fail("set aside"))

    with pytest.raises(CorruptionError):
        decompressed("it", memoryview(frame_of(bytes(SIZE))), SIZE * 2)
