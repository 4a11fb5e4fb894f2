"""The places of values for a kept index: each once a signer, with whoever vouches for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.signatures import Signature
from mandala_cas.index.gather import gather_fixed, gather_numbers, gather_text
from mandala_cas.index.kept_part import KeptPart
from mandala_cas.index.kept_schema import ORIGINS, SOURCES
from mandala_cas.index.prefixes import prefixes_of
from mandala_cas.index.sorting import ties_of
from mandala_cas.index.taking import table_of, take
from mandala_cas.log.columns import BytesColumn, Column, NumberColumn, bytes_column
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import SCHEMA, VALUES
from mandala_cas.log.run_part import RunPart
from mandala_cas.log.segment import Segment
from mandala_cas.log.tables import Table
from mandala_cas.log.taking import Rows
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import KeyId

_UNSIGNED: Final = Signature("", b"", b"", b"")


def value_tables(parts: Sequence[LogPart]) -> list[Table]:
    """Return the places of values, their origins, and the sources that those name.

    Every segment that uses a value names its place again. Of the rows of one place the first stays,
    for each signer.
    """
    values = [_with_payload(part) for part in parts]
    sources = _Sources()
    origins = [_origins(part, sources) for part in parts]
    codes = np.concatenate([part for part, _ in origins])
    created_us = np.concatenate([part for _, part in origins])
    rows = _distinct(values, sources.signers()[codes])
    return [
        take(VALUES, SCHEMA[VALUES], values, rows),
        table_of(
            ORIGINS,
            {"source": NumberColumn(codes[rows]), "created_us": NumberColumn(created_us[rows])},
        ),
        sources.table(),
    ]


class _Sources:
    """The log objects on whose word values are where they are, each once."""

    def __init__(self) -> None:
        """Start with none."""
        self._codes: dict[tuple[str, bytes, KeyId | None], int] = {}
        self._claims: list[tuple[str, Signature, KeyId | None]] = []

    def code(self, name: str, signature: Signature | None, writer_key: KeyId | None) -> int:
        """Return the number of a source."""
        claim = signature or _UNSIGNED
        code = self._codes.setdefault((name, claim.signature, writer_key), len(self._claims))
        if code == len(self._claims):
            self._claims.append((name, claim, writer_key))
        return code

    def signers(self) -> npt.NDArray[np.int64]:
        """Return of each source the number of the keys that it claims."""
        keys: dict[tuple[bytes, KeyId | None], int] = {}
        claimed = [
            keys.setdefault((claim.public_key, writer_key), len(keys))
            for _, claim, writer_key in self._claims
        ]
        return np.array(claimed, np.int64)

    def table(self) -> Table:
        """Return the sources as they are kept: all that a signature is checked with."""
        return table_of(
            SOURCES,
            {
                "name": bytes_column([name.encode() for name, _, _ in self._claims]),
                "public_key": bytes_column([claim.public_key for _, claim, _ in self._claims]),
                "message": bytes_column([claim.message for _, claim, _ in self._claims]),
                "signature": bytes_column([claim.signature for _, claim, _ in self._claims]),
                "writer_key": bytes_column([key or b"" for _, _, key in self._claims]),
            },
        )


def _with_payload(part: LogPart) -> Table:
    """Return the values of a part, with the inline payloads, wherever it has those."""
    values = part.values
    inline = values.columns.get("inline")
    is_inline = values.numbers("tier") == Tier.INLINE
    sizes = np.where(is_inline, values.numbers("raw_size"), 0)
    if isinstance(inline, BytesColumn) and bool((np.diff(inline.offsets) == sizes).all()):
        return values
    payloads = [
        part.value_record(row).inline if flag else b""
        for row, flag in enumerate(is_inline.tolist())
    ]
    columns: dict[str, Column] = {**values.columns, "inline": bytes_column(payloads)}
    return Table(VALUES, values.row_count, columns)


def _origins(
    part: LogPart, sources: _Sources
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Return of each value of a part its source, and when its segment was written."""
    count = part.values.row_count
    if not count:
        return np.empty(0, np.uint32), np.empty(0, np.int64)
    if isinstance(part, KeptPart):
        own, created_us = part.origins.columns()
        codes = [
            sources.code(*part.origins.source_at(at)) for at in range(part.origins.source_count)
        ]
        return np.array(codes, np.uint32)[own], created_us
    if isinstance(part, Segment):
        code = sources.code(part.name, part.signature, None)
        return np.full(count, code, np.uint32), np.full(count, part.header.created_us, np.int64)
    if isinstance(part, RunPart):
        segments, written_us, signers = part.value_origins()
        codes = [sources.code(part.name, part.signature, key) for key in signers]
        return np.array(codes, np.uint32)[segments], written_us[segments]
    created_us = np.array([part.value_created_us(row) for row in range(count)], np.int64)
    keys = [part.value_key(row) for row in range(count)]
    by_key = {key: sources.code(part.name, part.signature, key) for key in dict.fromkeys(keys)}
    return np.array([by_key[key] for key in keys], np.uint32), created_us


def _distinct(tables: Sequence[Table], signers: npt.NDArray[np.int64]) -> Rows:
    """Return the rows that name a place for the first time, of each signer."""
    ids = gather_fixed(tables, "content_id")
    prefixes = prefixes_of(ids)
    order = np.argsort(prefixes, kind="stable")
    shared = np.sort(order[ties_of(prefixes[order])])
    if not len(shared):
        return np.arange(len(prefixes))
    hashes, offsets = gather_fixed(tables, "payload_hash"), gather_numbers(tables, "offset")
    places = gather_text(tables, "location").codes
    seen: set[tuple[object, ...]] = set()
    is_first = np.ones(len(prefixes), bool)
    # A loop over those rows only that are not the one row of their value.
    for row, place, offset, signer in zip(
        shared.tolist(),
        places[shared].tolist(),
        offsets[shared].tolist(),
        signers[shared].tolist(),
        strict=True,
    ):
        key = (ids[row], hashes[row], place, offset, signer)
        is_first[row] = key not in seen
        seen.add(key)
    return np.flatnonzero(is_first)
