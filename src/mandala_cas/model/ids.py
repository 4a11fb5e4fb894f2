"""Ids as types: what names a value, a history, a call, a blob, a writer.

Each kind of id is a subclass of ``bytes``, so that a dictionary lookup stays as cheap as one of
bytes and mypy refuses to mix kinds. They print as lower-case hexadecimal.

``docs/reference/hashing.md`` is normative for how the derived ids are computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple, Self

from blake3 import blake3

from mandala_cas.errors import UsageError

SHORT_HEX_LENGTH: Final = 12

# A context makes the ids of one kind differ from those of every other kind, whatever is hashed.
# Hashing the context costs more than hashing a call, so each is hashed once, here, and copied.
_CALL = blake3(derive_key_context="mandala-cas v1 call history id")
_CALL_CONTENT = blake3(derive_key_context="mandala-cas v1 call content id")
_OUTPUT = blake3(derive_key_context="mandala-cas v1 output history id")
_REMADE = blake3(derive_key_context="mandala-cas v1 remade output history id")
_CONSTANT = blake3(derive_key_context="mandala-cas v1 constant history id")
_COLLECTION = blake3(derive_key_context="mandala-cas v1 collection content id")

# Makes an id of what has the right size for certain, such as a digest: the check in `Id` is for
# what comes from outside, and would take a tenth of the time of a hit.
id_of_size: Final = bytes.__new__


class Id(bytes):
    """Bytes of a fixed size that name something. Use one of the subclasses."""

    __slots__ = ()
    SIZE: ClassVar[int]

    def __new__(cls, raw: bytes) -> Self:
        """Reject truncated ids here, where the mistake is still visible."""
        if len(raw) != cls.SIZE:
            raise UsageError(f"a {cls.__name__} is {cls.SIZE} bytes, got {len(raw)}", found=raw)
        return super().__new__(cls, raw)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Parse the form that ``str()`` gives."""
        try:
            return cls(bytes.fromhex(text))
        except ValueError as error:
            raise UsageError(
                f"not a {cls.__name__}: {text!r}; expected {2 * cls.SIZE} hexadecimal digits",
                found=text,
            ) from error

    def __str__(self) -> str:
        """Return all hexadecimal digits; this form is safe to store."""
        return self.hex()

    def __repr__(self) -> str:
        """Return the type and a short prefix."""
        return f"{type(self).__name__}({self.short}...)"

    @property
    def short(self) -> str:
        """A prefix for people to read. Never parse it, never store it."""
        return self.hex()[:SHORT_HEX_LENGTH]


class ContentId(Id):
    """Names a value by what it is: equal values have equal content ids on every machine."""

    __slots__ = ()
    SIZE = 32


class HistoryId(Id):
    """Names a ref by how it came about: the call and output, or the constant passed in."""

    __slots__ = ()
    SIZE = 16


class CallId(Id):
    """Names a call by its op and the histories of its inputs (its history id)."""

    __slots__ = ()
    SIZE = 16


class CallContentId(Id):
    """Names a call by its op and the contents of its inputs."""

    __slots__ = ()
    SIZE = 16


class PayloadHash(Id):
    """Names a blob by its uncompressed payload and the codec that wrote it."""

    __slots__ = ()
    SIZE = 32


class SourceHash(Id):
    """Names an op's own source, normalised."""

    __slots__ = ()
    SIZE = 16


class WriterId(Id):
    """Names one session of one writing process; random."""

    __slots__ = ()
    SIZE = 8


class SegmentId(Id):
    """Names a segment wherever its rows are: writer, number (big-endian), digest prefix.

    The name of a segment holds the same three, so that a listing tells what a run covers.
    """

    __slots__ = ()
    SIZE = 20


class KeyId(Id):
    """Names a signing key: the first half of blake3 of its public part."""

    __slots__ = ()
    SIZE = 16


class Dot(NamedTuple):
    """Names one record of the log, for ever: the writer, its segment, the row in it.

    Not a content hash: a call computed again after it was dropped is a new record, and alive.
    """

    writer: WriterId
    seq: int
    row: int


def collection_content_id(
    tag: bytes, element_ids: Iterable[ContentId], keys: Iterable[bytes] = ()
) -> ContentId:
    """Return the content id of a collection of one kind, given those of its elements.

    ``keys`` are those of a dict, as UTF-8, and ascend; each stands before its element.
    """
    ids = list(element_ids)
    prefixes = [len(key).to_bytes(4, "little") + key for key in keys] or [b""] * len(ids)
    hasher = _COLLECTION.copy()
    hasher.update(tag + len(ids).to_bytes(8, "little"))
    hasher.update(b"".join(key + id_ for key, id_ in zip(prefixes, ids, strict=True)))
    return ContentId(hasher.digest())


def constant_history_id(content_id: ContentId) -> HistoryId:
    """Return the history id of a value that was passed in from outside."""
    return id_of_size(HistoryId, _CONSTANT.copy().update(content_id).digest(16))


def output_history_id(call_id: CallId, output_name: str) -> HistoryId:
    """Return the history id of one output of a call."""
    return id_of_size(HistoryId, _OUTPUT.copy().update(call_id + output_name.encode()).digest(16))


def remade_history_id(call_id: CallId, output_name: str, content_id: ContentId) -> HistoryId:
    """Return the history id of an output that a call gave when it was made anew.

    By its content, so that whoever makes the call anew and gets the same has the same history.
    """
    hasher = _REMADE.copy()
    hasher.update(call_id + content_id + output_name.encode())
    return HistoryId(hasher.digest(16))


def constant_history_ids(content_ids: Iterable[bytes]) -> list[bytes]:
    """Return ``constant_history_id`` of each: for a million of them, at half the cost."""
    fresh = _CONSTANT.copy
    return [fresh().update(content_id).digest(16) for content_id in content_ids]


def output_history_ids(call_ids: Iterable[bytes], output_name: str) -> list[bytes]:
    """Return ``output_history_id`` of each call: for a million of them, at half the cost."""
    fresh, name = _OUTPUT.copy, output_name.encode()
    return [fresh().update(call_id + name).digest(16) for call_id in call_ids]


def call_history_id(
    op_name: str, op_version: str, inputs: Iterable[tuple[str, HistoryId]]
) -> CallId:
    """Return the id that a call has by the histories of its inputs, in any order."""
    message = _call_message(op_name, op_version, inputs)
    return id_of_size(CallId, _CALL.copy().update(message).digest(16))


def call_content_id(
    op_name: str, op_version: str, inputs: Iterable[tuple[str, ContentId]]
) -> CallContentId:
    """Return the id that a call has by the contents of its inputs, in any order."""
    message = _call_message(op_name, op_version, inputs)
    return id_of_size(CallContentId, _CALL_CONTENT.copy().update(message).digest(16))


def _call_message(op_name: str, op_version: str, inputs: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what a call is hashed from: every string behind its length, inputs by name."""
    message = _sized(op_name) + _sized(op_version)
    # Strings sort by code points, which is how their UTF-8 sorts.
    for input_name, input_id in sorted(inputs):
        message += _sized(input_name) + input_id
    return message


# Every call of an op brings the same few names.
@lru_cache(maxsize=1 << 12)
def _sized(text: str) -> bytes:
    """Return a string behind its length."""
    data = text.encode()
    return len(data).to_bytes(4, "little") + data
