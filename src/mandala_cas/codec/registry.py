"""Which codec takes which value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mandala_cas.codec.api import (
    DeclinedError,
    Encoded,
    HintsFragility,
    ValueCodec,
    copies_files,
)
from mandala_cas.codec.arrays import ArrayCodec
from mandala_cas.codec.arrow import ArrowCodec
from mandala_cas.codec.collections import CollectionCodec
from mandala_cas.codec.digests import BIG, Digests, payload_digest, payload_hash_of_digest
from mandala_cas.codec.file_places import FilePlaces
from mandala_cas.codec.files import DirCodec, FileCodec
from mandala_cas.codec.hooks import registered_codec, registered_codecs
from mandala_cas.codec.images import ImageCodec
from mandala_cas.codec.leaves import SafeLeaves
from mandala_cas.codec.models import ModelCodec
from mandala_cas.codec.nested import NAME as NESTED
from mandala_cas.codec.nested import NestedCodec
from mandala_cas.codec.packages import missing_package, unknown_codec
from mandala_cas.codec.pandas_scalars import PandasScalarCodec
from mandala_cas.codec.parquet import ParquetCodec
from mandala_cas.codec.pickles import PickleCodec
from mandala_cas.codec.plain import PlainCodec
from mandala_cas.codec.polars_tables import PolarsCodec
from mandala_cas.codec.sparse import SparseCodec
from mandala_cas.codec.tables import TableCodec
from mandala_cas.codec.tensors import TensorCodec
from mandala_cas.codec.tracked_files import TrackedDirCodec, TrackedFileCodec
from mandala_cas.envelope.compression import CompressionHint
from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import CorruptionError, MandalaError, UnsupportedFormatError, UsageError
from mandala_cas.objectstore.api import Buffer, Parts, Pieces
from mandala_cas.objectstore.buffers import size_of

# A header travels in front of its value, in an envelope and in the log.
HEADER_MAX: Final = 256 << 10
_NO_FIELDS: Final = pack({})
# By name: each extension module written in Rust has a class of its own for this.
_PANIC: Final = "PanicException"


class CodecRegistry:
    """Codecs in the order in which they are asked: those of the user first, the last one last."""

    def __init__(self, *, with_hooks: bool = False) -> None:
        """Start without codecs; ``default_registry`` has those of mandala-cas.

        ``with_hooks``: those that users registered for the process are asked before all others.
        """
        self._codecs: dict[str, ValueCodec] = {}
        self._order: list[ValueCodec] = []
        self._with_hooks = with_hooks

    def register(self, codec: ValueCodec, *, only_by_name: bool = False) -> None:
        """Ask ``codec`` before all that were registered before, or only where it is named."""
        if codec.name in self._codecs:
            raise UsageError(
                f"a codec named {codec.name!r} is registered already; a name stands in a store "
                "for ever, so choose another",
                name=codec.name,
            )
        self._codecs[codec.name] = codec
        if not only_by_name:
            self._order.insert(0, codec)

    def encode(self, value: Any, digests: Digests, only: str | None = None) -> Encoded:
        """Return ``value`` as bytes, made by the first codec that takes it.

        ``only`` names the one codec to ask.

        Raises:
            UsageError: none can.
        """
        reason: UsageError | None = None
        for codec in self._asked() if only is None else (self.named(only),):
            try:
                if not codec.can_encode(value):
                    continue
                if copies_files(codec):
                    ((header, payload),) = self.encode_each(codec, [value], digests)
                else:
                    header, payload = self.encode_with(codec, value)
                size = size_of(payload)
            except DeclinedError as error:
                reason = error
                continue
            except (MandalaError, MemoryError):
                raise
            except Exception as error:
                raise _failed(codec, value, error) from error
            digest = payload_digest(payload, digests) if size >= BIG else None
            return Encoded(
                codec.name,
                codec.version,
                header,
                payload,
                size,
                payload_hash_of_digest(codec.name, codec.version, header, payload, digest),
                digest,
                _hint_of(codec),
            )
        raise _refused(value, only, reason) from reason

    def named(self, codec_name: str) -> ValueCodec:
        """Return the codec that a program asks for by its name.

        Raises:
            UsageError: there is none.
        """
        codec = self._get(codec_name)
        if codec is None:
            hooked = registered_codecs() if self._with_hooks else ()
            names = ", ".join(sorted({*self._codecs, *(codec.name for codec in hooked)}))
            raise UsageError(
                f"there is no codec named {codec_name!r}; there are {names}; register it with "
                "register_codec, or name one of these",
                codec_name=codec_name,
            )
        return codec

    def encode_with(
        self, codec: ValueCodec, value: Any
    ) -> tuple[bytes, tuple[Buffer, ...] | Pieces]:
        """Return the header and the payload that ``codec`` makes of ``value``.

        Raises:
            DeclinedError: it would not come back as it is.
        """
        fields, buffers = codec.encode(value)
        return _packed(codec, fields, buffers)

    def encode_each(
        self, codec: ValueCodec, values: Sequence[Any], digests: Digests
    ) -> list[tuple[bytes, tuple[Buffer, ...] | Pieces]]:
        """Return headers and payloads of values; files in them are copied together.

        Raises:
            DeclinedError: one would not come back as it is.
        """
        if copies_files(codec):
            taken = codec.encode_with_files(values, digests)
            return [_packed(codec, *encoding) for encoding in taken]
        return [self.encode_with(codec, value) for value in values]

    def in_order(self) -> Sequence[ValueCodec]:
        """Return the codecs, the first to be asked first."""
        return tuple(self._asked())

    def runs_code(self, codec_name: str) -> bool:
        """Tell whether decoding may run code of the writer's choosing.

        Raises:
            UnsupportedFormatError: there is no such codec here.
        """
        return self._find(codec_name).runs_code

    def may_run_code(self, codec_name: str) -> bool:
        """Tell whether decoding may run code; what a codec does that is not here, nobody knows."""
        codec = self._get(codec_name)
        return codec is None or codec.runs_code

    def is_fragile(self, codec_name: str) -> bool:
        """Tell whether crafted bytes may crash the decoder.

        Raises:
            UnsupportedFormatError: there is no such codec here.
        """
        codec = self._find(codec_name)
        return isinstance(codec, HintsFragility) and codec.is_fragile

    def decode(
        self, codec_name: str, codec_version: int, header: bytes, payload: memoryview
    ) -> Any:
        """Return the value that these bytes hold.

        The caller has verified the payload hash and, where ``runs_code`` or ``is_fragile``, who
        wrote it.

        Raises:
            UnsupportedFormatError: the codec is not here, or older than the bytes.
            CorruptionError: these are not bytes that the codec wrote.
        """
        codec = self._find(codec_name)
        if not 1 <= codec_version <= codec.version:
            raise UnsupportedFormatError(
                f"a value was written by version {codec_version} of codec {codec_name!r}, and "
                f"this is version {codec.version}; upgrade mandala-cas",
                codec_name=codec_name,
                codec_version=codec_version,
            )
        try:
            return codec.decode(_unpack_header(header), payload.cast("B"))
        except (MandalaError, MemoryError):
            raise
        except ImportError as error:
            raise missing_package(codec_name, error) from error
        except RecursionError:
            raise UsageError(
                f"cannot load a value that codec {codec_name!r} wrote: it is nested too deeply for "
                "the stack that is left here; load it from further up",
                codec_name=codec_name,
            ) from None
        except BaseException as error:
            # Whatever a decoder trips over: the bytes are to blame, and the caller is told so.
            # Rust panics are no `Exception`, and so are Ctrl-C and the end of the process, which
            # must pass.
            if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
                raise
            raise CorruptionError(
                f"a payload of {payload.nbytes} bytes is not what codec {codec_name!r} writes "
                f"({type(error).__name__}: {error}); do not rely on it",
                codec_name=codec_name,
            ) from error

    def _find(self, codec_name: str) -> ValueCodec:
        """Return the codec that wrote a value."""
        codec = self._get(codec_name)
        if codec is None:
            raise unknown_codec(codec_name)
        return codec

    def _get(self, codec_name: str) -> ValueCodec | None:
        """Return the codec of that name, if there is one."""
        codec = self._codecs.get(codec_name)
        return registered_codec(codec_name) if codec is None and self._with_hooks else codec

    def _asked(self) -> Iterable[ValueCodec]:
        """Return the codecs in the order in which they are asked."""
        hooked = registered_codecs() if self._with_hooks else ()
        return (*hooked, *self._order) if hooked else self._order


def default_registry(places: FilePlaces | None = None) -> CodecRegistry:
    """Return a new registry with the codecs of mandala-cas, behind those that users register.

    Files come back to ``places``; without any, there are no codecs for them.
    """
    registry = CodecRegistry(with_hooks=True)
    # The last to be registered is asked first, and pickle only when all others declined.
    codecs: list[ValueCodec] = [
        PickleCodec(),
        ModelCodec(),
        ImageCodec(),
        ArrowCodec(),
        PolarsCodec(),
        TableCodec(),
        PandasScalarCodec(),
        SparseCodec(),
        ArrayCodec(),
    ]
    if places is not None:
        codecs += [TrackedDirCodec(), TrackedFileCodec(), DirCodec(places), FileCodec(places)]
    codecs.append(NestedCodec(SafeLeaves(registry, NESTED)))
    # Before that, so that a dict of tensors becomes one file that other programs can read.
    codecs.append(TensorCodec())
    for codec in [*codecs, PlainCodec()]:
        registry.register(codec)
    registry.register(ParquetCodec(), only_by_name=True)
    # Never asked what it takes: no value of a user's is one.
    registry.register(CollectionCodec(), only_by_name=True)
    return registry


def _refused(value: Any, only: str | None, reason: UsageError | None) -> UsageError:
    """Return the error for a value that no codec took, or not the one that was asked."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if only is None:
        return UsageError(
            f"cannot store a value of type {kind}: no codec takes it; register one for it",
            found=kind,
        )
    why = "it takes no values of this type" if reason is None else str(reason)
    return UsageError(
        f"codec {only!r} does not store this value of type {kind}: {why}; name another codec, or "
        "none, for the first one that takes it",
        found=kind,
        codec_name=only,
    )


def _failed(codec: ValueCodec, value: Any, error: Exception) -> UsageError:
    """Return the error for a codec that tripped over a value."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return UsageError(
        f"codec {codec.name!r} failed on a value of type {kind}: {type(error).__name__}: {error}; "
        "mend the codec, or have it raise DeclinedError for what it does not keep",
        found=kind,
        codec_name=codec.name,
    )


def _hint_of(codec: ValueCodec) -> CompressionHint:
    """Return what a codec says of compressing its payloads, if it says anything."""
    # What `HintsCompression` says, but not by `isinstance`: for a protocol that may take longer
    # than storing a number.
    hint: CompressionHint = getattr(codec, "compression", "sample")
    return hint


def _packed(
    codec: ValueCodec, fields: Mapping[str, Any], buffers: Parts
) -> tuple[bytes, tuple[Buffer, ...] | Pieces]:
    """Return what a codec gave in the form in which it is kept."""
    payload = buffers if isinstance(buffers, Pieces) else tuple(buffers)
    # Most small values need no header.
    return _NO_FIELDS if fields == {} else _pack_header(codec, fields), payload


def _pack_header(codec: ValueCodec, fields: Mapping[str, Any]) -> bytes:
    """Return a header as canonical msgpack; one that is too much for a header is declined."""
    if not isinstance(fields, Mapping):
        raise TypeError(f"a header is a mapping, got {type(fields).__name__}")
    if not fields:
        return _NO_FIELDS
    try:
        header = pack(fields)
    except UsageError as error:
        raise DeclinedError(f"the header of codec {codec.name!r} has no form: {error}") from error
    if len(header) > HEADER_MAX:
        raise DeclinedError(f"the header of codec {codec.name!r} takes {len(header)} bytes")
    return header


def _unpack_header(header: bytes) -> Mapping[str, Any]:
    """Return the fields of a header."""
    fields, size = unpack(header, name="a value", what="header of its codec")
    if not isinstance(fields, dict) or size != len(header):
        raise ValueError("a header is one map")
    return fields
