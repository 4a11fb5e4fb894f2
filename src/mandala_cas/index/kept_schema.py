"""What a kept index holds: the log's tables, who vouches for values, and ids in order."""

from __future__ import annotations

from typing import Final

from mandala_cas.log.rows import CALLS, SCHEMA, SLOTS, TAGS, TOMBS, UNTAGS, VALUES
from mandala_cas.log.tables import Schema

CALL_DOTS: Final = "call_dots"
TAG_DOTS: Final = "tag_dots"
ORIGINS: Final = "origins"
SOURCES: Final = "sources"
NAMES: Final = "names"
SEGMENTS: Final = "segments"
DURATIONS: Final = "durations"
BY_CALL: Final = "by_call"
BY_CONTENT: Final = "by_content"
BY_VALUE: Final = "by_value"

_DOTS: Final = {"writer": "u8", "seq": "u4", "row": "u4"}
_RANGES: Final = {"writer": "u8", "seq": "u4", "first": "u4", "last": "u4"}
# The first eight bytes of ids as numbers, sorted, and the rows that they are in.
_ORDER: Final = {"prefix": "u8", "row": "u4"}

# Rows of `calls` and `call_dots` belong together, so do those of `tags` and `tag_dots`, and of
# `values` and `origins`: the source of each value, and when its segment was written. A source
# without a signature has an empty public key. One that is a run counts once for each key that
# signed a segment which it covers; of one that is a segment, `writer_key` is empty.
KEPT_SCHEMA: Final[Schema] = {
    CALLS: SCHEMA[CALLS],
    CALL_DOTS: _DOTS,
    SLOTS: SCHEMA[SLOTS],
    VALUES: SCHEMA[VALUES],
    ORIGINS: {"source": "u4", "created_us": "i8"},
    SOURCES: {
        "name": "bytes",
        "public_key": "bytes",
        "message": "bytes",
        "signature": "bytes",
        "writer_key": "bytes",
    },
    TAGS: SCHEMA[TAGS],
    TAG_DOTS: _DOTS,
    TOMBS: {**_RANGES, "reason": "u1"},
    UNTAGS: _RANGES,
    NAMES: {"name": "bytes"},
    SEGMENTS: {"segment_id": "fixed20"},
    DURATIONS: {"op": "text", "count": "u8", "total_us": "u8"},
    BY_CALL: _ORDER,
    BY_CONTENT: _ORDER,
    BY_VALUE: _ORDER,
}
