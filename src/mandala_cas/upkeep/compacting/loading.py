"""Segments and runs read from the store once more, whole, and checked as if never seen before.

Nothing here is taken from what a view has in memory: whoever merges or deletes log objects must
have seen that the bytes are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.signatures import Signature, Signer
from mandala_cas.errors import (
    CorruptionError,
    NotFoundError,
    UnsupportedFormatError,
    UntrustedError,
)
from mandala_cas.log.conservation import check_conservation
from mandala_cas.log.run import PartKind, RunPartInfo, decode_run
from mandala_cas.log.run_making import RunInputs, WholeRun
from mandala_cas.log.run_part import RunPart, decode_inline_part, decode_run_part
from mandala_cas.log.segment import Segment, decode_segment
from mandala_cas.log.unpacking import check_payloads
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.api import ObjectStore

Trusts = Callable[[KeyId | None], bool]

_BATCH: Final = 256
# What keeps one object from being merged, and nothing else.
_LEFT: Final = (CorruptionError, NotFoundError, UnsupportedFormatError, UntrustedError)


@dataclass(frozen=True, slots=True)
class LoadedInputs:
    """What can be merged of what was asked for; ``left`` says why the rest cannot."""

    inputs: RunInputs
    sizes: Mapping[str, int]
    left: Mapping[str, str] = field(default_factory=dict)


def load_inputs(
    objects: ObjectStore,
    segments: Sequence[str],
    runs: Sequence[str],
    *,
    signer: Signer | None,
    trusts: Trusts,
) -> LoadedInputs:
    """Read what is to be merged into a run that ``signer`` signs; leave what may not be.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    found: list[tuple[Segment, KeyId | None]] = []
    whole: list[WholeRun] = []
    sizes: dict[str, int] = {}
    left: dict[str, str] = {}
    for start in range(0, len(segments), _BATCH):
        batch = segments[start : start + _BATCH]
        for name, data in zip(batch, objects.get_many(batch), strict=True):
            try:
                segment, key_id = _segment(name, data, signer, trusts)
            except _LEFT as error:
                left[name] = str(error)
            else:
                found.append((segment, key_id))
                sizes[name] = segment.size
    for name in runs:
        try:
            run = load_run(objects, name, signer=signer, trusts=trusts)
            _check_mergeable(run.run.is_known, name)
            for part in run.parts.values():
                _check_mergeable(part.is_known, part.name)
        except _LEFT as error:
            left[name] = str(error)
        else:
            whole.append(run)
            sizes[name] = run.run.size + sum(info.size for info in run.run.parts)
    return LoadedInputs(RunInputs(found, whole), sizes, left)


def load_run(objects: ObjectStore, name: str, *, signer: Signer | None, trusts: Trusts) -> WholeRun:
    """Read a run with all its parts, inline payloads too, and check that nothing is missing.

    Raises:
        NotFoundError: the run, or a part of it, is not there.
        CorruptionError: something of it is not what was written, or breaks the conservation law.
        UnsupportedFormatError: a newer mandala-cas wrote it.
        UntrustedError: nobody signed it, or nobody who is trusted.
        StoreUnavailableError: the store does not answer.
    """
    run = decode_run(name, objects.get(name))
    check_signer(run.signature, signer, trusts, name=name)
    # What a part is asked for later must be what was checked now.
    inline = {
        info.name: _read_part(objects, info) for info in run.parts if info.kind is PartKind.INLINE
    }
    parts = {info.name: _records(objects, info, inline) for info in run.records}
    check_conservation(run, parts)
    named = {part.payloads.name for part in parts.values()} - {None}
    if named != inline.keys():
        raise corruption(name, "names other inline payloads than its parts do")
    for info in run.parts:
        if (
            info.kind is PartKind.INLINE
            and len(decode_inline_part(info.name, inline[info.name])) != info.value_count
        ):
            raise corruption(info.name, f"does not have the payloads that {name} speaks of")
    for part in parts.values():
        check_payloads(part.tables, part.payloads.column(), name=part.name)
    return WholeRun(run, parts)


def check_signer(
    signature: Signature | None, signer: Signer | None, trusts: Trusts, *, name: str
) -> KeyId | None:
    """Return who signed an object, if a run of ``signer`` may speak for it.

    Raises:
        CorruptionError: the signature is not of this object.
        UntrustedError: nobody signed it, or nobody who is trusted.
    """
    key_id = None if signature is None else signature.verified_key()
    if (key_id is None) != (signer is None):
        raise UntrustedError(
            f"{name} is {'not signed' if key_id is None else 'signed'}, and the run would be "
            f"{'signed' if key_id is None else 'unsigned'}"
        )
    if not trusts(key_id):
        who = "nobody" if key_id is None else key_id.short
        raise UntrustedError(f"{name} is signed by {who}, who is not trusted here")
    return key_id


def _segment(
    name: str, data: bytes | None, signer: Signer | None, trusts: Trusts
) -> tuple[Segment, KeyId | None]:
    """Return a segment that may be merged, and who signed it."""
    if data is None:
        raise NotFoundError(f"{name} is not there any more", name=name)
    segment = decode_segment(name, data)
    _check_mergeable(segment.is_known, name)
    return segment, check_signer(segment.signature, signer, trusts, name=name)


def _check_mergeable(is_known: bool, name: str) -> None:  # noqa: FBT001 (one of an object's facts)
    """Refuse what holds something that this version would drop."""
    if not is_known:
        raise UnsupportedFormatError(
            f"{name} holds something that only a newer mandala-cas can carry", name=name
        )


def _records(objects: ObjectStore, info: RunPartInfo, inline: Mapping[str, bytes]) -> RunPart:
    """Return a part of records, whose inline payloads are those of ``inline``."""

    def fetch(name: str) -> bytes:
        if name not in inline:
            raise corruption(info.name, f"has inline payloads in {name}, which its run has not")
        return inline[name]

    return decode_run_part(info.name, _read_part(objects, info), fetch)


def _read_part(objects: ObjectStore, info: RunPartInfo) -> bytes:
    """Return the bytes of a part."""
    data = objects.get(info.name)
    if len(data) != info.size:
        raise corruption(info.name, f"has {len(data)} bytes, not the {info.size} on record")
    return data
