"""Packs: many value envelopes in one object, with a footer that says where each one lies.

::

    head of the pack's own envelope; a random nonce is in it
    value envelope      at a multiple of 64 from the beginning of the pack
    zero bytes
    value envelope
    zero bytes
    footer: a row of 48 bytes for each (payload hash 32, offset 8, size 8)
            8   number of rows
    trailer of the pack's own envelope

``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from mandala_cas.blobs.tiers import PACK_TARGET
from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.seal import ALIGNMENT, Compression, Kind, Sealed, seal, unseal
from mandala_cas.errors import UsageError
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.api import Buffer
from mandala_cas.objectstore.layout import NONCE_SIZE, pack_name

_PLACE: Final = struct.Struct("<QQ")
_ROW_SIZE: Final = PayloadHash.SIZE + _PLACE.size
_COUNT_SIZE: Final = 8
_NONCE: Final = "nonce"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a sealed value lies: ``size`` bytes of the object ``name``, from ``offset`` on."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack ready to be put; ``placements`` are those of its values, in their order."""

    name: str
    sealed: Sealed
    placements: tuple[Placement, ...]


def group_for_packs(
    values: Iterable[tuple[PayloadHash, Sealed]],
) -> list[list[tuple[PayloadHash, Sealed]]]:
    """Split ``values`` into runs that make packs of the target size, in their order."""
    groups: list[list[tuple[PayloadHash, Sealed]]] = []
    size = PACK_TARGET
    for payload_hash, sealed in values:
        if size + sealed.size > PACK_TARGET:
            groups.append([])
            size = 0
        groups[-1].append((payload_hash, sealed))
        size += sealed.size
    return groups


def seal_pack(values: Sequence[tuple[PayloadHash, Sealed]], *, nonce: bytes) -> Pack:
    """Return the values as one pack: the same bytes for the same values and ``nonce``.

    ``nonce`` must be fresh random bytes: it makes sure that the name of a pack that garbage
    collection removed never comes back.
    """
    if len(nonce) != NONCE_SIZE or not values:
        raise UsageError(
            f"a pack takes values and a nonce of {NONCE_SIZE} bytes, "
            f"got {len(values)} values and {len(nonce)} bytes"
        )
    header = {_NONCE: nonce}
    # The head does not depend on the payload, so that of an empty pack tells where values begin.
    head_size = len(next(iter(seal(Kind.PACK, header, (), level=None).parts)))
    parts: list[Buffer] = []
    rows: list[bytes] = []
    places: list[tuple[int, int]] = []
    offset = head_size
    for payload_hash, sealed in values:
        padding = -sealed.size % ALIGNMENT
        parts += (*sealed.parts, bytes(padding))
        rows.append(payload_hash + _PLACE.pack(offset, sealed.size))
        places.append((offset, sealed.size))
        offset += sealed.size + padding
    parts += (*rows, len(rows).to_bytes(_COUNT_SIZE, "little"))

    sealed_pack = seal(Kind.PACK, header, parts, level=None)
    hasher = blake3()
    for part in sealed_pack.parts:
        hasher.update(part)
    name = pack_name(hasher.digest())
    return Pack(name, sealed_pack, tuple(Placement(name, *place) for place in places))


def read_pack_footer(data: bytes, *, name: str) -> tuple[tuple[PayloadHash, Placement], ...]:
    """Return what lies where in a pack, from the pack alone: how lost records are found again.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    if pack_name(blake3(data).digest()) != name:
        raise corruption(name, "does not have the bytes that its name says")
    envelope = unseal(data, kind=Kind.PACK, name=name, raw_size_max=len(data))
    payload = envelope.payload
    if len(payload) < _COUNT_SIZE or envelope.compression is not Compression.RAW:
        raise corruption(name, "has no footer")
    count = int.from_bytes(payload[-_COUNT_SIZE:], "little")
    footer_size = count * _ROW_SIZE + _COUNT_SIZE
    if footer_size > len(payload):
        raise corruption(name, f"claims {count} values in {len(payload)} bytes")
    footer = bytes(payload[len(payload) - footer_size :])
    rows = []
    begin = envelope.head_size
    end = begin + len(payload) - footer_size
    for start in range(0, count * _ROW_SIZE, _ROW_SIZE):
        offset, size = _PLACE.unpack_from(footer, start + PayloadHash.SIZE)
        if offset % ALIGNMENT or not begin <= offset <= offset + size <= end:
            raise corruption(name, f"places {size} bytes at {offset}, outside of {begin} to {end}")
        rows.append(
            (PayloadHash(footer[start : start + PayloadHash.SIZE]), Placement(name, offset, size))
        )
        begin = offset + size
    return tuple(rows)
