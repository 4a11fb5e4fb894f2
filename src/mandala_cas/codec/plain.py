"""Plain values: msgpack, with markers for what msgpack does not tell apart.

The payload is one msgpack document, then the large ``bytes`` in it, whose sizes the header lists.
In the document:

* None, bool, float, str, bytes, list, dicts with str keys, and ints that fit are themselves;
* an array that begins with extension 0 is something else: the extension's data names it (``t`` a
  tuple, ``d`` a dict by keys and values, ``date`` ...), and what follows makes it;
* extension 1 is a container met before: its number, counting containers as they begin;
* extensions 2, 3, 4, 5 are a large int, a complex number, a bytearray, and the number of one of
  the large ``bytes`` behind the document.

Exact types only. A subclass holds more than this would bring back, so it is declined, and so is
whatever contains one, and what contains itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgpack
from msgpack import ExtType

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.digests import BIG
from mandala_cas.codec.plain_forms import FIELDS, MAKERS
from mandala_cas.envelope.packing import check_lengths
from mandala_cas.objectstore.api import Buffer

DEPTH_MAX: Final = 100

_MARKER: Final = 0
_SHARED: Final = 1
_LARGE_INT: Final = 2
_COMPLEX: Final = 3
_BYTEARRAY: Final = 4
_BUFFER: Final = 5
# Some seconds, or a minute; a value of that many would have taken as long to make.
_HASHED_MAX: Final = 1 << 33
# Ints that msgpack has a form for.
_INT_MIN: Final = -(1 << 63)
_INT_MAX: Final = (1 << 64) - 1
# The header lists the sizes of so many large bytes; more stay in the document.
_BUFFERS_MAX: Final = 4096

# What a document holds as it is; ints that do not fit are dealt with while packing.
AS_IS: Final = frozenset({type(None), bool, int, float, str})
CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset})
_MARKS: Final[dict[type, bytes]] = {tuple: b"t", set: b"e", frozenset: b"E"}
_CONTAINER_OF: Final[dict[bytes, type]] = {mark: kind for kind, mark in _MARKS.items()}
_EMPTY_OF: Final[dict[bytes, Any]] = {b"t": (), b"E": frozenset()}
_PAIR = struct.Struct("<dd")


class PlainCodec:
    """The values that need no class of their own."""

    name = "plain"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether the type is one of those; its parts may not be."""
        kind = type(value)
        return kind in AS_IS or kind in CONTAINERS or kind in SCALARS or kind in FIELDS

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return one document, and the large bytes in it."""
        kind = type(value)
        if kind in AS_IS:
            # Nearly every value of a small call is one of these, and most are numbers, of which
            # there is one form in msgpack whatever it is told of others.
            is_short = kind is float or (kind is int and _INT_MIN <= value <= _INT_MAX)
            return {}, (msgpack.packb(value) if is_short else pack_document(value),)
        lowering = Lowering()
        try:
            document = pack_document(lowering.lower(value, 0))
        except RecursionError:
            raise DeclinedError("the value is nested too deeply for the stack left") from None
        if not lowering.buffers:
            return {}, (document,)
        sizes = [len(buffer) for buffer in lowering.buffers]
        return {"buffers": sizes}, (document, *lowering.buffers)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the value."""
        sizes: list[int] = header.get("buffers", [])
        end = len(payload) - sum(sizes)
        if end < 0 or any(size < BIG for size in sizes):
            raise ValueError("the header lists other buffers than there are")
        buffers = []
        place = end
        for size in sizes:
            buffers.append(bytes(payload[place : place + size]))
            place += size
        return Raising(buffers).restore(unpack_document(payload[:end], read_extension), 0)


class _Marker:
    """The beginning of an array that is something else than a list."""

    __slots__ = ("name",)

    def __init__(self, name: bytes) -> None:
        """Say what it is."""
        self.name = name


class _Number:
    """The number of a container met before, or of a large buffer."""

    __slots__ = ("is_buffer", "number")

    def __init__(self, data: bytes, *, is_buffer: bool) -> None:
        """Read the number."""
        self.number = int.from_bytes(data, "little")
        self.is_buffer = is_buffer


class Lowering:
    """Turns one value into what msgpack can tell apart."""

    def __init__(self) -> None:
        """Have met nothing yet."""
        self.buffers: list[bytes] = []
        # By id: whoever calls keeps the value alive, and no container is made on the way.
        self._numbers: dict[int, int] = {}
        self._open: set[int] = set()

    def lower(self, value: Any, depth: int) -> Any:
        """Return the form of one value in the document."""
        kind = type(value)
        if kind in AS_IS:
            return value
        if kind is bytes and len(value) >= BIG:
            return self.lower_large(value)
        scalar = SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        form = FIELDS.get(kind)
        if form is not None:
            name, fields = form
            return [marker(name), *self.each(fields(value), depth)]
        if kind not in CONTAINERS:
            return self.lower_other(value, depth)
        if kind in _MARKS and not value and kind is not set:
            return [marker(_MARKS[kind])]
        return self.lower_once(value, depth, self._lower_parts)

    def lower_large(self, value: bytes) -> Any:
        """Return the form of large bytes."""
        if len(self.buffers) >= _BUFFERS_MAX:
            return value
        self.buffers.append(value)
        return extension(_BUFFER, len(self.buffers) - 1)

    def lower_other(self, value: Any, depth: int) -> Any:
        """Return the form of what is not plain; a document that has one overrides this."""
        del depth
        kind = type(value)
        raise DeclinedError(f"a {kind.__qualname__} is not plain", found=kind)

    def lower_once(self, value: Any, depth: int, lower: Callable[[Any, int], Any]) -> Any:
        """Return the form of a container, which is written in full where it is met first."""
        key = id(value)
        if key in self._open:
            raise DeclinedError("a value that contains itself is not plain")
        number = self._numbers.get(key)
        if number is not None:
            return extension(_SHARED, number)
        self._numbers[key] = len(self._numbers)
        self._open.add(key)
        lowered = lower(value, depth)
        self._open.discard(key)
        return lowered

    def _lower_parts(self, value: Any, depth: int) -> Any:
        """Return the form of a container with its parts."""
        kind = type(value)
        if kind is list:
            return value if AS_IS.issuperset(map(type, value)) else self.each(value, depth)
        if kind is not dict:
            return [marker(_MARKS[kind]), *self.each(value, depth)]
        if all(type(key) is str for key in value):
            if AS_IS.issuperset(map(type, value.values())):
                return value
            return dict(zip(value, self.each(value.values(), depth), strict=True))
        pairs = [part for item in value.items() for part in item]
        return [marker(b"d"), *self.each(pairs, depth)]

    def each(self, parts: Iterable[Any], depth: int) -> list[Any]:
        """Return the forms of the parts of something."""
        if depth >= DEPTH_MAX:
            raise DeclinedError(f"a value nested more than {DEPTH_MAX} levels deep is not plain")
        return [self.lower(part, depth + 1) for part in parts]


class Raising:
    """Turns a document back into the value."""

    def __init__(self, buffers: Sequence[bytes]) -> None:
        """Have the large buffers at hand."""
        self._buffers = buffers
        self._met: list[Any] = []
        # Parts so far, as if what is shared were written out; and those of containers by number.
        self._part_count = 0
        self._part_counts: dict[int, int] = {}
        self._hashed_count = 0

    def restore(self, form: Any, depth: int) -> Any:
        """Return the value of one form."""
        kind = type(form)
        if kind in AS_IS or kind in SCALARS:
            return form
        if depth > DEPTH_MAX:
            raise ValueError(f"nested more than {DEPTH_MAX} levels deep")
        if kind is _Number:
            return self._buffers[form.number] if form.is_buffer else self._shared(form.number)
        if kind is dict:
            return self._restore_map(form, depth)
        if kind is not list:
            return self.restore_other(form)
        if form and type(form[0]) is _Marker:
            return self._restore_marked(form[0].name, form[1:], depth)
        self._met.append(form)
        if not AS_IS.issuperset(map(type, form)):
            form[:] = self.each(form, depth)
        return form

    def restore_other(self, form: Any) -> Any:
        """Return the value of a form that is not plain; a document that has one overrides this."""
        raise ValueError(f"a {type(form).__name__} has no place here")

    def restore_parts(self, name: bytes, parts: list[Any], depth: int) -> Any:
        """Return the container of an array with a marker."""
        if name == b"d":
            return self.restore_pairs(parts, depth)
        make = _CONTAINER_OF[name]
        before = self._part_count
        restored = self.each(parts, depth)
        if make is not tuple:
            self._check_hashing(before)
        return make(restored)

    def restore_pairs(self, parts: list[Any], depth: int) -> dict[Any, Any]:
        """Return the dict of keys and values in turn."""
        restored = []
        for number, part in enumerate(parts):
            before = self._part_count
            restored.append(self.restore(part, depth + 1))
            if number % 2 == 0:
                self._part_count += 1
                self._check_hashing(before)
        return dict(zip(restored[::2], restored[1::2], strict=True))

    def each(self, parts: Sequence[Any], depth: int) -> list[Any]:
        """Return the values of the parts of something."""
        self._part_count += len(parts)
        return [self.restore(part, depth + 1) for part in parts]

    def _check_hashing(self, before: int) -> None:
        """Refuse to hash what was restored since ``before``, where that would take for ever.

        A tuple of two that are one tuple of two, and so on, is short, and its hash visits each
        path: nobody can have made such an element of a set.
        """
        self._hashed_count += self._part_count - before
        if self._hashed_count > _HASHED_MAX:
            raise ValueError("its keys and elements take too long to hash")

    def _shared(self, number: int) -> Any:
        """Return a container that was met before, and is complete."""
        found = self._met[number]
        if found is Raising:
            raise ValueError("a container is part of itself")
        # A frozenset remembers its hash.
        if type(found) is not frozenset:
            self._part_count += self._part_counts.get(number, 0)
        return found

    def _restore_map(self, form: dict[Any, Any], depth: int) -> dict[str, Any]:
        """Return a dict whose keys are str."""
        if not all(type(key) is str for key in form):
            raise ValueError("a key that is no str has no place here")
        self._met.append(form)
        if not AS_IS.issuperset(map(type, form.values())):
            for key, part in form.items():
                form[key] = self.restore(part, depth + 1)
        return form

    def _restore_marked(self, name: bytes, parts: list[Any], depth: int) -> Any:
        """Return what an array with a marker is."""
        make = MAKERS.get(name)
        if make is not None:
            return make(*self.each(parts, depth))
        if not parts and name in {b"t", b"E"}:
            return _EMPTY_OF[name]
        number = len(self._met)
        # A stand-in, until it is complete: only lists and dicts can be made before their parts.
        self._met.append(Raising)
        before = self._part_count
        made = self._met[number] = self.restore_parts(name, parts, depth)
        self._part_counts[number] = self._part_count - before
        return made


def marker(name: bytes) -> ExtType:
    """Return what an array begins with that is something else than a list."""
    return ExtType(_MARKER, name)


def extension(code: int, number: int) -> ExtType:
    """Return a number as an extension."""
    return ExtType(code, number.to_bytes((number.bit_length() + 7) // 8, "little"))


def read_extension(code: int, data: bytes) -> Any:
    """Return what an extension of the document stands for."""
    if code == _MARKER:
        return _Marker(data)
    if code in {_SHARED, _BUFFER}:
        return _Number(data, is_buffer=code == _BUFFER)
    if code == _LARGE_INT:
        return int.from_bytes(data, "little", signed=True)
    if code == _COMPLEX:
        return complex(*_PAIR.unpack(data))
    if code == _BYTEARRAY:
        return bytearray(data)
    raise ValueError(f"extension {code} has no meaning here")


def to_plain(value: Any) -> bytes:
    """Return a small plain value as one document, for the header of another codec.

    Raises:
        DeclinedError: it is not plain.
    """
    lowering = Lowering()
    document = pack_document(lowering.lower(value, 0))
    if lowering.buffers:
        raise DeclinedError("large bytes have no place in a header")
    return document


def from_plain(document: bytes) -> Any:
    """Return the value that ``to_plain`` was given."""
    return PlainCodec().decode({}, memoryview(document))


def pack_document(lowered: Any) -> bytes:
    """Return the document."""
    return bytes(
        msgpack.packb(
            lowered,
            use_bin_type=True,
            strict_types=True,
            unicode_errors="surrogatepass",
            default=_large_int,
        )
    )


def unpack_document(document: memoryview, read: Callable[[int, bytes], Any]) -> Any:
    """Return the forms in a document; ``read`` knows what its extensions stand for."""
    check_lengths(document)
    return msgpack.unpackb(
        document,
        raw=False,
        strict_map_key=True,
        unicode_errors="surrogatepass",
        ext_hook=read,
    )


def _large_int(value: Any) -> ExtType:
    """Return an int that msgpack has no form for; nothing else gets here."""
    assert type(value) is int, "whatever else msgpack has no form for was lowered before"
    size = value.bit_length() // 8 + 1
    return ExtType(_LARGE_INT, value.to_bytes(size, "little", signed=True))


SCALARS: Final[dict[type, Callable[[Any], Any]]] = {
    bytes: lambda value: value,
    bytearray: lambda value: ExtType(_BYTEARRAY, bytes(value)),
    complex: lambda value: ExtType(_COMPLEX, _PAIR.pack(value.real, value.imag)),
}
