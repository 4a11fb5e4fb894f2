"""Frames: what is torn is told from what is damaged, and what is forged from both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.log.frames import MAGIC, PREAMBLE_SIZE, FrameKey, State, read_frames

KEY = FrameKey(b"k" * 32, "file")
BODIES = (b"first", b"", b"third, a longer one")


def written(bodies: tuple[bytes, ...] = BODIES, key: FrameKey = KEY) -> bytes:
    """Return a file with these frames."""
    frames = (key.frame(number, body) for number, body in enumerate(bodies))
    return key.preamble + b"".join(frames)


def facts(data: bytes, key: FrameKey = KEY) -> tuple[State, tuple[bytes, ...], int]:
    """Return what is in a file, as plain bytes."""
    found = read_frames(data, key)
    return found.state, tuple(map(bytes, found.bodies)), found.size


def ends(bodies: tuple[bytes, ...] = BODIES) -> list[int]:
    """Return where the preamble and each frame end."""
    return [len(written(bodies[:count])) for count in range(len(bodies) + 1)]


def test_what_was_written_is_read() -> None:
    """In its order, to the last byte."""
    assert facts(written()) == (State.WHOLE, BODIES, len(written()))


@given(st.integers(0, len(written()) - 1))
def test_a_torn_file_is_whole_up_to_its_last_frame(size: int) -> None:
    """The process died in the middle of a write, so the call of that write had not returned."""
    whole = [end for end in ends() if end <= size]

    found = read_frames(written()[:size], KEY)

    assert found.state is State.WHOLE
    assert found.bodies == BODIES[: max(len(whole) - 1, 0)]
    assert found.size == (whole[-1] if whole else 0)


@given(st.integers(0, len(written()) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_found(place: int, bit: int) -> None:
    """Wherever it is, nothing is taken for whole, and nothing that was written is cut off."""
    data = bytearray(written())
    data[place] ^= 1 << bit

    found = read_frames(bytes(data), KEY)

    assert found.state is not State.WHOLE
    assert found.bodies == ()


@pytest.mark.parametrize("count", [1, 8, 24, 100])
def test_zero_bytes_at_the_end_are_what_a_power_cut_leaves(count: int) -> None:
    """The file system made room, and the bytes never came."""
    assert facts(written() + bytes(count)) == (State.WHOLE, BODIES, len(written()))


def test_a_file_of_zero_bytes_was_never_written() -> None:
    """There is nothing to lose in it."""
    assert read_frames(bytes(1000), KEY).state is State.WHOLE


def test_the_file_of_another_user_is_told_from_a_damaged_one() -> None:
    """Its owner will want it."""
    other = FrameKey(b"o" * 32, "file")

    assert read_frames(written(key=other), KEY).state is State.FOREIGN


def test_the_file_of_a_newer_version_is_told_from_a_damaged_one() -> None:
    """A newer mandala-cas will want it."""
    data = bytearray(written())
    data[len(MAGIC) - 1] += 1

    assert read_frames(bytes(data), KEY).state is State.NEWER


def test_a_forged_mark_opens_nothing() -> None:
    """Everyone can read the mark; the frames need the key."""
    other = FrameKey(b"o" * 32, "file")
    forged = KEY.preamble + written(key=other)[PREAMBLE_SIZE:]

    assert read_frames(forged, KEY).state is State.DAMAGED


def test_a_frame_is_worth_nothing_in_another_file() -> None:
    """Somebody copied a journal under another name, and would have everything recorded twice."""
    assert read_frames(written(), FrameKey(b"k" * 32, "other")).state is State.DAMAGED


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2), (0, 0, 1), (1, 2)])
def test_a_frame_is_worth_nothing_at_another_place(order: tuple[int, ...]) -> None:
    """Left out, moved or repeated."""
    frames = [KEY.frame(number, body) for number, body in enumerate(BODIES)]
    data = KEY.preamble + b"".join(frames[number] for number in order)

    assert read_frames(data, KEY).state is State.DAMAGED


@given(st.binary(max_size=200))
def test_whatever_is_in_a_file_is_read_without_an_error(data: bytes) -> None:
    """Also behind a good beginning, where most checks are."""
    assert read_frames(data, KEY).bodies == ()
    found = read_frames(written() + data, KEY)

    assert found.bodies in {(), BODIES}


def test_a_size_that_is_no_size_is_not_believed() -> None:
    """Nothing is allocated for it."""
    head = (1 << 31).to_bytes(4, "little") + ((1 << 31) ^ 0xFFFFFFFF).to_bytes(4, "little")

    assert read_frames(KEY.preamble + head + bytes(100), KEY).state is State.DAMAGED


def test_the_preamble_tells_nothing_of_the_key() -> None:
    """It lies in a folder that others may read."""
    assert b"k" * 8 not in KEY.preamble
