"""Vouching for pickles of others: their places are recorded again, under one's own signature.

The bytes stay where they are. Each is read and compared with the payload hash on record first, and
announcements of garbage collection are looked at behind it, as every writer does. Cut off at any
moment, it has signed some of them; signing again signs the rest.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import CorruptionError, MandalaError
from mandala_cas.index.copies import ValueCopy, each_place_once
from mandala_cas.index.prefixes import prefix_of
from mandala_cas.log.part import LogPart
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import ContentId, KeyId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.upkeep.code_values import (
    RunsCode,
    copy_in,
    rows_running_code,
    writer_of,
)
from mandala_cas.upkeep.placed_values import ops_of
from mandala_cas.upkeep.publishing import Found, Publisher
from mandala_cas.upkeep.signing.report import SignedValues, SignReport
from mandala_cas.upkeep.verifying.live import LiveLog
from mandala_cas.upkeep.verifying.payload_bytes import check_value


@dataclass(frozen=True, slots=True)
class SignRules:
    """Whose pickles are signed: those that nobody whom ``vouches`` tells of wrote.

    ``runs_code`` tells of codecs, ``name_of`` how the user calls a key. With ``writer``, only what
    that key signed.
    """

    vouches: Callable[[ValueCopy], bool]
    runs_code: RunsCode
    name_of: Callable[[KeyId], str | None] = lambda _: None
    writer: KeyId | None = None


def plan_signing(view: LogView, rules: SignRules) -> SignReport:
    """Return what ``sign`` would vouch for. Reads the log, and no payload."""
    view.refresh()
    candidates = _candidates(view.parts, rules)
    chosen = {content_id: copies[0] for content_id, copies in candidates.unsigned.items()}
    return _report(view.parts, rules, candidates, chosen, carried_out=False)


def sign(
    objects: ObjectStore,
    view: LogView,
    rules: SignRules,
    *,
    signer: Signer | None,
    clock_us: Callable[[], int],
    draw: Callable[[int], bytes] = os.urandom,
) -> SignReport:
    """Vouch for the pickles that live calls and tags use; nothing is decoded.

    Raises:
        StoreUnavailableError: the store does not answer; some of them may be signed.
        UsageError: the store refuses to be written to.
    """
    view.refresh()
    candidates = _candidates(view.parts, rules)
    publisher = Publisher(objects, signer=signer, clock_us=clock_us, purpose="sign", draw=draw)
    blobs = BlobStore(objects)
    chosen: dict[ContentId, ValueCopy] = {}
    for content_id, copies in candidates.unsigned.items():
        error: MandalaError | None = None
        for copy in copies:
            found = _read(blobs, copy)
            if isinstance(found, Found):
                publisher.confirm(found)
                chosen[content_id] = copy
                break
            error = found
        else:
            candidates.left[str(content_id)] = str(error)
    publisher.publish()
    return _report(view.parts, rules, candidates, chosen, carried_out=True)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Pickles in use: those to be signed with their places, and what stands of the others."""

    unsigned: Mapping[ContentId, list[ValueCopy]]
    trusted_count: int
    left: dict[str, str]


def _candidates(parts: Mapping[str, LogPart], rules: SignRules) -> _Candidates:
    """Sort the pickles that live calls and tags use by who wrote them."""
    live = LiveLog(parts)
    places: dict[ContentId, list[ValueCopy]] = defaultdict(list)
    for copy in _used(parts, live, rules.runs_code):
        places[copy.record.content_id].append(copy)
    unsigned: dict[ContentId, list[ValueCopy]] = {}
    left: dict[str, str] = {}
    trusted_count = 0
    for content_id, found in places.items():
        copies: list[ValueCopy] = []
        is_trusted = False
        reason = ""
        for copy in each_place_once(found):
            try:
                is_trusted = is_trusted or rules.vouches(copy)
                if rules.writer is None or writer_of(copy) == rules.writer:
                    copies.append(copy)
            except CorruptionError as error:
                reason = str(error)
        if is_trusted:
            trusted_count += 1
        elif copies:
            unsigned[content_id] = copies
        elif reason:
            left[str(content_id)] = reason
    return _Candidates(unsigned, trusted_count, left)


def _used(parts: Mapping[str, LogPart], live: LiveLog, runs_code: RunsCode) -> Iterator[ValueCopy]:
    """Yield the places of those values that something live uses."""
    for part in parts.values():
        rows = rows_running_code(part, runs_code)
        if len(rows):
            used = live.is_used(part.values.fixed("content_id"))
            yield from (copy_in(part, row) for row in rows[used[rows]].tolist())


def _read(blobs: BlobStore, copy: ValueCopy) -> Found | MandalaError:
    """Return a value whose bytes are what its record says, or what is wrong with it."""
    record = copy.record
    data: bytes | None = b""
    if record.tier is not Tier.INLINE:
        try:
            (data,) = blobs.get_many(
                [Placement(record.location, record.offset, record.stored_size)]
            )
        except CorruptionError as error:
            # The record names no place that could be.
            return error
    if data is None:
        return corruption(record.location, "is not there")
    return check_value(record, data) or Found(record, data)


def _report(
    parts: Mapping[str, LogPart],
    rules: SignRules,
    candidates: _Candidates,
    chosen: Mapping[ContentId, ValueCopy],
    *,
    carried_out: bool,
) -> SignReport:
    """Return what was signed, or would be, by op and writer, the most bytes first."""
    prefixes = np.unique(np.array([prefix_of(content_id) for content_id in chosen], np.uint64))
    names, ops = ops_of(prefixes, parts.values())
    counts: Counter[tuple[str | None, KeyId | None]] = Counter()
    sizes: Counter[tuple[str | None, KeyId | None]] = Counter()
    for content_id, copy in chosen.items():
        at = int(ops[np.searchsorted(prefixes, np.uint64(prefix_of(content_id)))])
        group = (names[at] if at >= 0 else None, writer_of(copy))
        counts[group] += 1
        sizes[group] += copy.record.raw_size
    signed = [
        SignedValues(
            op_name,
            writer,
            None if writer is None else rules.name_of(writer),
            counts[op_name, writer],
            size,
        )
        for (op_name, writer), size in sizes.items()
    ]
    signed.sort(key=lambda item: (-item.size, item.op_name or "", item.writer or b""))
    return SignReport(carried_out, tuple(signed), candidates.trusted_count, candidates.left)
