"""Collections in a store: what they are made of, by content id. The elements are values apart.

The header says the kind and the number of elements, so that an index tells them without payload.
The payload is the content ids, 32 bytes each; behind them, of a dict, the sizes of the keys, 4
bytes each, little-endian, and the keys in UTF-8. ``docs/reference/format.md`` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import Encoding
from mandala_cas.envelope.packing import unpack
from mandala_cas.errors import UsageError
from mandala_cas.model.collections import ELEMENTS_MAX, Collection, CollectionKind
from mandala_cas.model.ids import ContentId

NAME: Final = "collection"
_ID_SIZE: Final = ContentId.SIZE
_SIZE_SIZE: Final = 4


class CollectionCodec:
    """What is stored of a collection. Reads no more than the payload has, and runs no code."""

    name = NAME
    version = 1
    runs_code = False
    compression = "sample"

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is what the library makes of a collection."""
        return type(value) is Collection

    def encode(self, value: Collection) -> Encoding:
        """Return kind and count, and the ids of the elements."""
        header = {"count": len(value.element_ids), "kind": value.kind.value}
        keys = [key.encode() for key in value.keys]
        sizes = b"".join(len(key).to_bytes(_SIZE_SIZE, "little") for key in keys)
        return header, (b"".join((*value.element_ids, sizes, *keys)),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Collection:
        """Return the kind, and the ids of the elements.

        A payload that says anything in another way than ``encode`` does is refused.
        """
        kind, count = CollectionKind(header["kind"]), header["count"]
        if len(header) != 2 or type(count) is not int or not 0 <= count <= ELEMENTS_MAX:
            raise ValueError(f"a collection of {count!r} elements")
        ids_size = count * _ID_SIZE
        is_dict = kind is CollectionKind.DICT
        fixed_size = ids_size + (count * _SIZE_SIZE if is_dict else 0)
        # Before anything is made of it: a count costs nothing to claim.
        if payload.nbytes < fixed_size or (payload.nbytes > fixed_size and not is_dict):
            raise ValueError(f"{payload.nbytes} bytes for {count} elements")
        raw = bytes(payload)
        ids = tuple([ContentId(raw[at : at + _ID_SIZE]) for at in range(0, ids_size, _ID_SIZE)])
        keys: tuple[str, ...] = ()
        if is_dict:
            sizes = np.frombuffer(raw, "<u4", count, ids_size).tolist()
            keys = _read_keys(raw, fixed_size, sizes)
        try:
            return Collection(kind, ids, keys)
        except UsageError as error:
            raise ValueError(str(error)) from error


def kind_in(header: bytes) -> CollectionKind:
    """Return which kind of collection a header of this codec speaks of.

    Raises:
        CorruptionError: it is no header of this codec.
        ValueError: it speaks of a kind that is not known here.
    """
    fields, _ = unpack(header, name="a value", what="header of its codec")
    return CollectionKind(fields.get("kind") if isinstance(fields, dict) else None)


def _read_keys(raw: bytes, start: int, sizes: list[int]) -> tuple[str, ...]:
    """Return the keys, whose sizes must fill the payload to its end."""
    if start + sum(sizes) != len(raw):
        raise ValueError("keys that end elsewhere than the payload")
    keys: list[str] = []
    for size in sizes:
        keys.append(raw[start : start + size].decode())
        start += size
    return tuple(keys)
