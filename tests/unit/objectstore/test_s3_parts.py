"""Parts of an upload: all but the last of one size, whatever the buffers were."""

from __future__ import annotations

import pytest

from mandala_cas.objectstore.s3_parts import cut


@pytest.mark.parametrize(
    ("buffers", "expected"),
    [
        ([b"abcdefg"], [b"abc", b"def", b"g"]),
        ([b"a", b"", b"bcde", memoryview(b"f")], [b"abc", b"def"]),
        ([b"ab"], [b"ab"]),
        ([], []),
    ],
)
def test_pieces_have_one_size(buffers: list[bytes], expected: list[bytes]) -> None:
    """Some servers insist on that; the last may have fewer bytes."""
    assert list(cut(buffers, 3)) == expected
