"""Announcements of garbage collection: what is about to be deleted, so that writers can look.

::

    envelope (kind 5), signed where there is a key
        header    step, nonce, created_us, min_reader, library, and
                  condemned: name_count
                  done:      condemned, deleted_count, spared_count
        payload   condemned: table "condemned", column "digest", fixed8, ascending

A name is condemned by the first eight bytes of its blake3. Another name may have the same eight:
then a writer makes a copy that was not needed, and nothing else happens.
``docs/reference/format.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from mandala_cas._version import __version__
from mandala_cas.envelope.packing import corruption
from mandala_cas.envelope.seal import HEADER_MAX, Envelope, Kind, Sealed, seal, unseal
from mandala_cas.envelope.signatures import Signature, Signer
from mandala_cas.errors import CorruptionError, MandalaError, UsageError
from mandala_cas.log.checks import check_min_reader, is_time
from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.tables import DIRECTORY_MAX, Schema, Table, decode_tables, encode_tables
from mandala_cas.objectstore.api import ByteRange, ObjectStore
from mandala_cas.objectstore.layout import NONCE_SIZE, collection_name, parse_collection_name

READER_VERSION: Final = 1
CONDEMNED: Final = "condemned"
DONE: Final = "done"
NAMES_MAX: Final = 1 << 20
ANNOUNCEMENT_SIZE_MAX: Final = 8 * NAMES_MAX + DIRECTORY_MAX + 2 * HEADER_MAX

_DIGEST_SIZE: Final = 8
_DIGEST: Final = "digest"
_SCHEMA: Final[Schema] = {CONDEMNED: {_DIGEST: f"fixed{_DIGEST_SIZE}"}}
_BIG_ENDIAN: Final = np.dtype(">u8")
_RAW_MAX: Final = 8 * NAMES_MAX + DIRECTORY_MAX
# Bounds what is held in memory before it is decoded.
_BATCH: Final = 16

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Condemned:
    """Names that a collector is about to delete; ``name in condemned`` asks for one of them.

    ``digests`` are sorted, without repetition: ``digests_of`` tells of what. A name that is not
    condemned is taken for condemned about once in 10^13 questions.
    """

    name: str
    created_us: int
    digests: Digests
    signature: Signature | None

    def __contains__(self, object_name: object) -> bool:
        """Tell whether an object of that name is condemned."""
        if not isinstance(object_name, str):
            return False
        return bool(self.mask([object_name])[0])

    def __len__(self) -> int:
        """Return how many names are condemned."""
        return len(self.digests)

    def mask(self, object_names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Tell of each of many names whether it is condemned."""
        return self.mask_of_digests(digests_of(object_names))

    def mask_of_digests(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """Tell of each of many names, by their digests in any order, whether it is condemned."""
        places = np.searchsorted(self.digests, digests)
        places[places == len(self.digests)] = 0
        mask: npt.NDArray[np.bool_] = self.digests[places] == digests
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """How an announcement ended: ``condemned`` is its name."""

    name: str
    created_us: int
    condemned: str
    deleted_count: int
    spared_count: int
    signature: Signature | None


def digests_of(names: Iterable[str]) -> Digests:
    """Return the digests of names, in their order, as numbers that sort as their bytes do."""
    data = b"".join(blake3(name.encode()).digest(_DIGEST_SIZE) for name in names)
    return np.frombuffer(data, _BIG_ENDIAN).astype(np.uint64)


def encode_condemned(
    names: Iterable[str],
    *,
    created_us: int,
    nonce: bytes,
    signer: Signer | None,
    library: str = f"mandala-cas {__version__}",
) -> tuple[str, Sealed]:
    """Return an announcement that ``names`` are about to be deleted: its name, and the object.

    Raises:
        UsageError: there are no names, or more than ``NAMES_MAX``.
    """
    digests = np.unique(digests_of(names))
    if not 0 < len(digests) <= NAMES_MAX:
        raise UsageError(
            f"an announcement condemns 1 to {NAMES_MAX} names, asked for {len(digests)}; "
            "split them over several"
        )
    column = FixedColumn(_DIGEST_SIZE, digests.astype(_BIG_ENDIAN).tobytes())
    payload = encode_tables([Table(CONDEMNED, len(digests), {_DIGEST: column})])
    fields = _fields(CONDEMNED, nonce, created_us, library)
    # Hashes do not shrink.
    sealed = seal(
        Kind.COLLECTION,
        {**fields, "name_count": len(digests)},
        payload,
        level=None,
        signer=signer,
    )
    return collection_name(blake3(sealed.to_bytes()).digest(), CONDEMNED), sealed


def encode_done(
    condemned_name: str,
    deleted_count: int,
    spared_count: int,
    *,
    created_us: int,
    nonce: bytes,
    signer: Signer | None,
    library: str = f"mandala-cas {__version__}",
) -> tuple[str, Sealed]:
    """Return the word that an announcement was carried out: its name, and the object."""
    fields = {
        **_fields(DONE, nonce, created_us, library),
        "condemned": condemned_name,
        "deleted_count": deleted_count,
        "spared_count": spared_count,
    }
    sealed = seal(Kind.COLLECTION, fields, (), level=None, signer=signer)
    return collection_name(blake3(sealed.to_bytes()).digest(), DONE), sealed


def decode_condemned(name: str, data: bytes) -> Condemned:
    """Return the announcement in ``data``. The signature is there as a claim.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    envelope = _open(name, data, CONDEMNED)
    count = _count(envelope.header, "name_count", name)
    column = decode_tables(envelope.payload, _SCHEMA, name=name)[CONDEMNED].fixed(_DIGEST)
    digests = np.frombuffer(column.data, _BIG_ENDIAN).astype(np.uint64)
    if not 0 < count <= NAMES_MAX or len(digests) != count:
        raise corruption(name, f"condemns {len(digests)} names, and says {count}")
    if (digests[1:] <= digests[:-1]).any():
        raise corruption(name, "has digests that do not ascend")
    digests.flags.writeable = False
    return Condemned(name, envelope.header["created_us"], digests, envelope.signature)


def decode_done(name: str, data: bytes) -> Done:
    """Return the word that an announcement was carried out. The signature is there as a claim.

    Raises:
        CorruptionError: these are not the bytes that were written under ``name``.
        UnsupportedFormatError: a newer mandala-cas wrote them.
    """
    envelope = _open(name, data, DONE)
    condemned = envelope.header.get("condemned")
    parsed = parse_collection_name(condemned) if isinstance(condemned, str) else None
    if parsed is None or parsed.kind != CONDEMNED or len(envelope.payload):
        raise corruption(name, "does not say which announcement was carried out")
    return Done(
        name=name,
        created_us=envelope.header["created_us"],
        condemned=str(condemned),
        deleted_count=_count(envelope.header, "deleted_count", name),
        spared_count=_count(envelope.header, "spared_count", name),
        signature=envelope.signature,
    )


class AnnouncementReader(Protocol):
    """What commits and compaction ask of announcements; ``Announcements`` is one."""

    @property
    def damaged(self) -> Mapping[str, MandalaError]:
        """What could not be read, by name."""

    def read(self, names: Iterable[str]) -> Sequence[Container[str]]:
        """Return what is condemned by those of ``names`` that condemn."""


class Announcements:
    """The announcements of a store, each read once. May be used by several threads at once."""

    def __init__(self, objects: ObjectStore) -> None:
        """Have read nothing yet."""
        self._objects = objects
        # Replaced, never changed; two threads may read one announcement twice, no harm done.
        self._known: Mapping[str, Condemned | Done] = {}
        self._damaged: Mapping[str, MandalaError] = {}

    @property
    def damaged(self) -> Mapping[str, MandalaError]:
        """What could not be read, by name, with the reason; each is tried again when asked for."""
        return MappingProxyType(self._damaged)

    def read(self, names: Iterable[str]) -> list[Condemned]:
        """Return what is condemned by those of ``names`` that condemn and can be read.

        Fetches only what was not read before. One that is gone was kept for as long as anyone
        may need it; a damaged one is left out, and stands in ``damaged``.

        Raises:
            UnsupportedFormatError: a newer mandala-cas wrote one of them.
            StoreUnavailableError: the store does not answer.
        """
        return [item for item in self._read(names, CONDEMNED) if isinstance(item, Condemned)]

    def read_done(self, names: Iterable[str]) -> list[Done]:
        """Return how announcements ended, by those of ``names`` that say so; see ``read``."""
        return [item for item in self._read(names, DONE) if isinstance(item, Done)]

    def _read(self, names: Iterable[str], step: str) -> list[Condemned | Done]:
        """Return the announcements of one step among ``names``, in the order of names."""
        wanted = sorted(name for name in names if _step_of(name) == step)
        new: dict[str, Condemned | Done] = {}
        damaged: dict[str, MandalaError] = {}
        missing = [name for name in wanted if name not in self._known]
        decode = decode_condemned if step == CONDEMNED else decode_done
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            # One byte more than any has, so that a larger object fails, and is not held whole.
            ranges = [ByteRange(name, 0, ANNOUNCEMENT_SIZE_MAX + 1) for name in batch]
            for name, data in zip(batch, self._objects.get_ranges(ranges), strict=True):
                if data is None:
                    continue
                try:
                    new[name] = decode(name, data)
                except CorruptionError as error:
                    damaged[name] = error
        self._known = {**self._known, **new}
        kept = {name: error for name, error in self._damaged.items() if name not in wanted}
        self._damaged = {**kept, **damaged}
        return [self._known[name] for name in wanted if name in self._known]


def _step_of(name: str) -> str | None:
    """Return which step of a collection a name speaks of; None if it names no announcement."""
    parsed = parse_collection_name(name)
    return None if parsed is None else parsed.kind


def _fields(step: str, nonce: bytes, created_us: int, library: str) -> dict[str, object]:
    """Return the header fields that both steps have."""
    if len(nonce) != NONCE_SIZE or not is_time(created_us):
        raise UsageError(
            f"an announcement has a nonce of {NONCE_SIZE} bytes and a time in the years 1 to "
            f"9999, got {len(nonce)} bytes and {created_us}"
        )
    return {
        "step": step,
        "nonce": nonce,
        "created_us": created_us,
        "min_reader": READER_VERSION,
        "library": library,
    }


def _open(name: str, data: bytes, step: str) -> Envelope:
    """Return the envelope, after every check that both steps have in common."""
    parsed = parse_collection_name(name)
    if parsed is None or parsed.kind != step:
        raise corruption(name, f"does not have the name of a {step} announcement")
    # First of all, so that a flipped bit is never taken for a newer format.
    if blake3(data).digest() != parsed.digest:
        raise corruption(name, "does not have the bytes that its name says")
    envelope = unseal(data, kind=Kind.COLLECTION, name=name, raw_size_max=_RAW_MAX)
    header = envelope.header
    min_reader, nonce = header.get("min_reader"), header.get("nonce")
    check_min_reader(
        header,
        READER_VERSION,
        name=name,
        of="announcements",
        harm="values could be deleted that you use",
    )
    if (
        header.get("step") != step
        or not isinstance(min_reader, int)
        or not isinstance(nonce, bytes)
        or len(nonce) != NONCE_SIZE
        or not is_time(header.get("created_us"))
        or not isinstance(header.get("library"), str)
    ):
        raise corruption(name, f"has a header that is not that of a {step} announcement")
    return envelope


def _count(fields: Mapping[str, Any], key: str, name: str) -> int:
    """Return a field that counts names."""
    count = fields.get(key)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise corruption(name, f"has no {key}")
    return count
