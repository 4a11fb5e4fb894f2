"""The core of the canonical encoding: atoms, containers, folding, back references.

``docs/reference/hashing.md`` is normative; the tags below are drawn there.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from blake3 import blake3

from mandala_cas.codec.digests import BIG, Digests, sized
from mandala_cas.codec.paths import parts_of

FOLD_MAX: Final = 1024
DEPTH_MAX: Final = 200
_REVISITS_MAX: Final = 100_000
_NOWHERE: Final = 1 << 60

_CONTENT = blake3(derive_key_context="mandala-cas v1 content id")
_NAN: Final = struct.pack("<d", float("nan"))
_INT = struct.Struct("<cq")
_FLOAT = struct.Struct("<cd")
_COUNT = struct.Struct("<cQ")

Rule = Callable[["Encoder", Any], bytes]


class RefusalError(Exception):
    """A value that has no content; becomes a ``UsageError`` at the border."""

    def __init__(self, reason: str, value: Any, advice: str = "") -> None:
        """Say why ``value`` cannot be hashed; ``trail`` grows on the way up."""
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        self.found = value
        self.culprit = value
        # By id: how one gets to what cannot be hashed from the values on the way to it, which
        # are kept, or another could get the id of one.
        self.trail: dict[int, str] = {id(value): ""}
        self._kept: list[Any] = [value]

    @property
    def path(self) -> str:
        """How one gets to it from the value that was met last."""
        return self.trail[id(self.culprit)]

    def pass_on(self, value: Any, path: str) -> None:
        """Note that it is a part of ``value``, and where."""
        self.trail[id(value)] = path
        self._kept.append(value)
        self.culprit = value


class Record:
    """A named tuple of fields that is encoded as such: what most types come down to."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, *fields: Any) -> None:
        """Name the record and its fields."""
        self.name = name
        self.fields = fields


class Custom(Record):
    """The record of what a hasher gave; ``label`` is what errors call the hasher."""

    __slots__ = ("label",)

    def __init__(self, label: str, name: str, *fields: Any) -> None:
        """Name the hasher, the record and its fields."""
        super().__init__(name, *fields)
        self.label = label


class Attributes(dict[str, Any]):
    """A dict of attributes: encoded as a dict, shown with dots in the path of an error."""

    __slots__ = ()


class Data:
    """Bytes that are in memory already, such as those of an array: encoded as ``bytes``."""

    __slots__ = ("buffer", "digest", "size")

    def __init__(self, buffer: Any, digest: bytes | None = None) -> None:
        """Take a contiguous buffer, or the size and the digest of what it would hold."""
        self.buffer = buffer
        self.digest = digest
        self.size: int = buffer if isinstance(buffer, int) else memoryview(buffer).nbytes


def derive(encoding: bytes) -> bytes:
    """Return the content id of what has this encoding, as plain bytes."""
    return _CONTENT.copy().update(encoding).digest()


class Encoder:
    """Encodes one value. ``find_rule`` knows the types that are neither atoms nor containers."""

    __slots__ = (
        "_cycles",
        "_find_rule",
        "_kept",
        "_memo",
        "_open",
        "_path",
        "_reach",
        "_revisits",
        "digests",
    )

    def __init__(self, digests: Digests, find_rule: Callable[[Any], Rule]) -> None:
        """Start with an empty path."""
        self.digests = digests
        self._find_rule = find_rule
        self._path: dict[int, int] = {}
        # Encodings of large parts that were met before, so that sharing is not exponential. The
        # value is kept, or another could get its id.
        self._memo: dict[int, tuple[Any, bytes, bool]] = {}
        # The lowest level that a back reference in the current part means.
        self._reach = _NOWHERE
        # Parts of cycles: those still open, and the id of each one's cycle, 0 until it is closed.
        self._open: list[int] = []
        self._cycles: dict[int, int] = {}
        self._kept: list[Any] = []
        self._revisits = 0

    def element(self, value: Any) -> bytes:
        """Return the encoding of a part: folded where it is long."""
        atom = ATOMS.get(type(value))
        if atom is not None:
            encoding = atom(value)
            return encoding if len(encoding) <= FOLD_MAX else b"#" + derive(encoding)
        key = id(value)
        known = self._memo.get(key)
        if known is not None and not (known[2] and self._is_open(key)):
            return known[1]
        level = self._path.get(key)
        if level is not None:
            self._reach = min(self._reach, level)
            return _COUNT.pack(b"^", len(self._path) - level)

        outer, opened = self._enter(key, value)
        try:
            encoding = (RULES.get(type(value)) or self._find_rule(value))(self, value)
        except RefusalError as refusal:
            _extend(refusal, value)
            raise
        finally:
            level = self._path.pop(key)
        folded = len(encoding) > FOLD_MAX
        if folded:
            encoding = b"#" + derive(encoding)
        if self._reach < level:
            self._reach = min(outer, self._reach)
            self._open.append(key)
            self._cycles.setdefault(key, 0)
            self._kept.append(value)
            return encoding
        in_cycle = self._reach == level
        self._reach = outer
        if in_cycle:
            self._close_cycle(key, value, opened)
        # Short encodings are not worth remembering: making them again is as cheap.
        if folded:
            self._memo[key] = (value, encoding, in_cycle)
        return encoding

    def stand_in(self, value: Any) -> bytes:
        """Return the encoding of what stands for the value whose rule is asking."""
        return (RULES.get(type(value)) or self._find_rule(value))(self, value)

    def top(self, value: Any) -> bytes:
        """Return the encoding of the value itself, which is never folded."""
        self._path[id(value)] = 0
        try:
            return (RULES.get(type(value)) or self._find_rule(value))(self, value)
        except RefusalError as refusal:
            _extend(refusal, value)
            raise

    def custom(self, record: Custom) -> bytes:
        """Return the encoding of the value that a record stands for."""
        self.digests.has_custom = True
        try:
            return self.record(record.name, *record.fields)
        except RefusalError as refusal:
            _extend(refusal, record)
            raise

    def record(self, name: str, *fields: Any) -> bytes:
        """Return the encoding of a record."""
        head = b"r" + text(name) + len(fields).to_bytes(8, "little")
        return head + b"".join(map(self.element, fields))

    def _enter(self, key: int, value: Any) -> tuple[int, int]:
        """Put a value on the path; return what must be restored when it leaves."""
        if len(self._path) >= DEPTH_MAX:
            raise RefusalError(
                f"it is nested more than {DEPTH_MAX} levels deep", value, "pass it in a flat form"
            )
        if key in self._cycles:
            self._revisits += 1
            if self._revisits > _REVISITS_MAX:
                raise RefusalError(
                    "its parts refer to one another in too many ways",
                    value,
                    "pass it in a form without cycles, such as a list of edges",
                )
        self._path[key] = len(self._path)
        outer, self._reach = self._reach, _NOWHERE
        return outer, len(self._open)

    def _is_open(self, key: int) -> bool:
        """Tell whether a part of the cycle of ``key`` is on the path.

        If so, what was remembered for it is wrong here: it has to refer back.
        """
        cycle = self._cycles[key]
        return any(self._cycles.get(other) == cycle for other in self._path)

    def _close_cycle(self, key: int, value: Any, opened: int) -> None:
        """Note which values form a cycle with ``value``, where it was entered first."""
        # A cycle that was entered elsewhere before keeps its name.
        cycle = self._cycles[key] = self._cycles.get(key) or key
        for other in self._open[opened:]:
            self._cycles[other] = cycle
        del self._open[opened:]
        self._kept.append(value)


def text(value: str) -> bytes:
    """Return a str behind its size."""
    return sized(value.encode("utf-8", "surrogatepass"))


def _int(value: int) -> bytes:
    """Return the encoding of an int of any size."""
    try:
        return _INT.pack(b"i", value)
    except struct.error:
        size = value.bit_length() // 8 + 1
        return b"I" + sized(value.to_bytes(size, "little", signed=True))


def _float(value: float) -> bytes:
    """Return the encoding of a float; all NaNs are one."""
    return _FLOAT.pack(b"f", value) if value == value else b"f" + _NAN  # noqa: PLR0124 (NaN)


def _complex(value: complex) -> bytes:
    """Return the encoding of a complex number."""
    return b"c" + _float(value.real)[1:] + _float(value.imag)[1:]


def _str(value: str) -> bytes:
    """Return the encoding of a str."""
    data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    return _COUNT.pack(b"s", size) + data if size < BIG else b"s" + sized(data)


ATOMS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"T" if value else b"F",
    type(...): lambda _: b".",
    type(NotImplemented): lambda _: b"!",
    int: _int,
    float: _float,
    complex: _complex,
    str: _str,
    bytes: lambda value: b"b" + sized(value),
    bytearray: lambda value: b"B" + sized(value),
}


def _sequence(tag: bytes) -> Rule:
    """Return the rule for values whose elements have an order."""

    def rule(encoder: Encoder, value: Any) -> bytes:
        parts = b"".join(map(encoder.element, value))
        return _COUNT.pack(tag, len(value)) + parts

    return rule


def _collection(tag: bytes) -> Rule:
    """Return the rule for values whose elements have no order."""

    def rule(encoder: Encoder, value: Any) -> bytes:
        parts = sorted(map(encoder.element, value))
        return _COUNT.pack(tag, len(parts)) + b"".join(parts)

    return rule


def _dict(encoder: Encoder, value: Mapping[Any, Any]) -> bytes:
    """Return the encoding of a dict, whatever its order."""
    keys, values = map(encoder.element, value.keys()), map(encoder.element, value.values())
    items = sorted(map(operator.add, keys, values))
    return _COUNT.pack(b"d", len(items)) + b"".join(items)


def _data(encoder: Encoder, value: Data) -> bytes:
    """Return the encoding of bytes in memory."""
    head = _COUNT.pack(b"b", value.size)
    if value.digest is not None:
        return head + value.digest
    if value.size < BIG:
        return head + bytes(value.buffer)
    return head + encoder.digests.of(value.buffer)


# Rules by exact type. Modules that know more types add to it when they are imported.
RULES: Final[dict[type, Rule]] = {
    list: _sequence(b"l"),
    tuple: _sequence(b"t"),
    dict: _dict,
    Attributes: _dict,
    set: _collection(b"e"),
    frozenset: _collection(b"E"),
    Record: lambda encoder, value: encoder.record(value.name, *value.fields),
    Custom: lambda encoder, value: encoder.custom(value),
    Data: _data,
}


def _extend(refusal: RefusalError, value: Any) -> None:
    """Have a refusal say where in ``value`` it arose."""
    if refusal.culprit is not value:
        refusal.pass_on(value, _place(value, refusal))


def _place(value: Any, refusal: RefusalError) -> str:
    """Return how one gets from ``value`` to what cannot be hashed in it, as a user writes it.

    On the way lie records and lists that no user knows of; they are left out.
    """
    kind = type(value)
    below = refusal.path
    if kind is Custom:
        return f" -> {value.label}(){below}"
    if kind is Attributes:
        steps = (f".{name}" for name, part in value.items() if part is refusal.culprit)
        return next(steps, "") + below
    if kind is Record or kind is Data:
        return below
    for step, part in parts_of(value):
        further = refusal.trail.get(id(part))
        if further is not None:
            return step + further
    # Else it lies in what the class makes up when it is copied: there is no way to write that.
    return below if type(refusal.culprit) is Custom else ""
