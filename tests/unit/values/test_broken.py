"""A call without a result that it gave was not made, and an element is a part of a result."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    HistoryId,
    SourceHash,
)
from mandala_cas.values.broken import broken_calls


def content(name: str) -> ContentId:
    """Return the content id of a value that a test speaks of."""
    return ContentId(name.encode().ljust(32, b"."))


def call(op: str, inputs: Mapping[str, str], **outputs: str) -> CallRecord:
    """Return a call, by the names of the values that it took and gave."""
    words = " ".join([op, *inputs.values(), *outputs.values()])

    def slots(named: Mapping[str, str]) -> tuple[Slot, ...]:
        """Return slots."""
        return tuple(Slot(n, HistoryId(bytes(16)), content(value)) for n, value in named.items())

    id_ = words.encode()[-16:].rjust(16, b".")
    return CallRecord(
        call_id=CallId(id_),
        content_id=CallContentId(id_),
        op_name=op,
        op_version="",
        module="",
        source_hash=SourceHash(bytes(16)),
        started_us=0,
        duration_us=0,
        inputs=slots(inputs),
        outputs=slots(outputs),
    )


CALLS = {
    "gives": call("gives", {"x": "one"}, output_0="outer"),
    "first": call("__list_getitem__", {"list": "outer", "i": "0"}, list_item="inner"),
    "second": call("__list_getitem__", {"list": "outer", "i": "1"}, list_item="five"),
    "deep": call("__dict_getitem__", {"dict": "inner", "key": "a"}, dict_value="six"),
    "makes": call("__make_list__", {"elts_0": "six", "elts_1": "one"}, list="made"),
    "uses": call("uses", {"x": "made", "y": "six"}, output_0="result"),
    "other": call("other", {"x": "outer"}, output_0="outer2"),
}


@pytest.mark.parametrize(
    ("gone", "broken"),
    [
        (set(), set()),
        ({"one"}, {"makes"}),
        ({"five"}, {"second", "gives"}),
        ({"six"}, {"deep", "first", "gives", "makes"}),
        ({"inner"}, {"first", "gives"}),
        ({"outer"}, {"gives"}),
        ({"made"}, {"makes"}),
        ({"result"}, {"uses"}),
        ({"0"}, set()),
    ],
)
def test_what_is_gone_breaks_what_gave_it(gone: set[str], broken: set[str]) -> None:
    """Also through collections in collections, and no call that merely used it."""
    contents = {content(name) for name in gone}

    found = broken_calls(reversed(CALLS.values()), contents.__contains__)

    assert found == {CALLS[name].call_id for name in broken}
