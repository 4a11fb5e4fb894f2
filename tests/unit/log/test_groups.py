"""Groups: packed once, they come back, and make the tables that their entries would make."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_record, entries, inline_record

from mandala_cas.log.groups import JournalGroup, JournalValue, pack_group, pack_rows, unpack_group
from mandala_cas.log.rows import build_tables, build_tables_of_groups
from mandala_cas.log.tables import encode_tables
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import Entry, ValueRecord
from mandala_cas.model.ids import Dot
from mandala_cas.objectstore.memory import MemoryObjectStore


def packed(together: list[Entry]) -> bytes:
    """Return entries as a group."""
    rows = [entry for entry in together if isinstance(entry, ValueRecord)]
    others = [entry for entry in together if not isinstance(entry, ValueRecord)]
    group = pack_rows(rows, others, 3, 4)
    assert group == pack_group(JournalGroup(others, [JournalValue(row) for row in rows], 3, 4))
    assert unpack_group(group) == JournalGroup(others, [JournalValue(row) for row in rows], 3, 4)
    return group


@given(st.lists(st.lists(entries, max_size=4), max_size=4))
def test_groups_make_the_tables_of_their_entries(groups: list[list[Entry]]) -> None:
    """To the byte: a segment is made of the fields, with no entry in between."""
    last = [inline_record(b"last")]
    everything = [entry for group in groups for entry in group]

    made = build_tables_of_groups(map(packed, groups), last)

    wanted = build_tables([*everything, *last])
    assert made.keys() == wanted.keys()
    assert [bytes(part) for part in encode_tables(tuple(made.values()))] == [
        bytes(part) for part in encode_tables(tuple(wanted.values()))
    ]


def test_a_group_that_ctrl_c_left_uncounted_is_counted_late() -> None:
    """Else two calls would get one dot."""
    writer = LogWriter(MemoryObjectStore(), signer=None, session=dict, clock_us=lambda: 0)
    writer.append(call_record(0))
    opened = writer._state.open
    size = opened.counts().size
    # What the append had done when it was interrupted.
    opened.groups.append(pack_rows([inline_record()], [call_record(1)], 1, 0))

    dot = writer.append(call_record(2))

    assert dot == Dot(*writer.position, 2)
    assert opened.counts().size > 3 * size
    (segment,) = writer.publish()
    assert [segment.call_record(row) for row in range(3)] == [call_record(n) for n in range(3)]
