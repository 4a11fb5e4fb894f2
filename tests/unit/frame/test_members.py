"""Growing sets of codes, against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.frame.members import Members

LIMIT = 200
code_sets = st.sets(st.integers(0, LIMIT - 1))


@given(code_sets, st.lists(code_sets, max_size=5), code_sets)
def test_members_are_a_set(start: set[int], additions: list[set[int]], asked: set[int]) -> None:
    """Few or many, in whichever form they are kept."""
    members = Members(np.array(sorted(start), dtype=np.uint32), LIMIT)
    expected = set(start)

    for codes in additions:
        new = members.add(np.array([*codes, *codes], dtype=np.uint32))
        assert new.tolist() == sorted(codes - expected)
        expected |= codes

    assert members.codes().tolist() == sorted(expected)
    assert members.count == len(expected)
    wanted = np.array(sorted(asked), dtype=np.uint32)
    assert members.has(wanted).tolist() == [code in expected for code in sorted(asked)]
