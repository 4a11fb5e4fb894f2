"""Pieces of a large object: all but the last of one size, whatever the buffers were."""

from __future__ import annotations

import pytest

from mandala_cas.objectstore.api import Pieces
from mandala_cas.objectstore.buffers import cut


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        ([b"abcdefg"], [b"abc", b"def", b"g"]),
        ([b"a", b"", b"bcde", memoryview(b"f")], [b"abc", b"def"]),
        ([b"ab"], [b"ab"]),
        ([b""], []),
        ([], []),
    ],
)
def test_pieces_have_one_size(buffers: list[bytes], expected: list[bytes]) -> None:
    """Some servers insist on that; the last may have fewer bytes."""
    assert [piece.read() for piece in cut(buffers, 3)] == expected


def test_a_piece_can_be_sent_again() -> None:
    """Whoever sent it may have closed it, and the request may have failed all the same."""
    (piece,) = cut([b"abc"], 5)
    piece.read()
    piece.close()

    piece.seek(0)

    assert piece.read() == b"abc"
    assert piece.getvalue() == b"abc"


def test_pieces_are_made_when_they_are_asked_for() -> None:
    """Not all at once: the whole may not fit into memory a second time."""
    made = []

    def buffers() -> list[bytes]:
        made.append(1)
        return [b"abc"]

    pieces = cut(Pieces(9, lambda: (buffers()[0] for _ in range(3))), 3)
    next(pieces)

    assert len(made) == 1
