"""Which codec takes which value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError, Encoded, HintsCompression, ValueCodec
from mandala_cas.codec.arrays import ArrayCodec
from mandala_cas.codec.digests import Digests, payload_digest, payload_hash_of_digest
from mandala_cas.codec.pickles import PickleCodec
from mandala_cas.codec.plain import PlainCodec
from mandala_cas.codec.tables import TableCodec
from mandala_cas.envelope.compression import CompressionHint
from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import CorruptionError, MandalaError, UnsupportedFormatError, UsageError
from mandala_cas.objectstore.api import Pieces
from mandala_cas.objectstore.buffers import size_of

# A header travels in front of its value, in an envelope and in the log.
HEADER_MAX: Final = 256 << 10
_NO_FIELDS: Final = pack({})
# By name: each extension module written in Rust has a class of its own for this.
_PANIC: Final = "PanicException"


class CodecRegistry:
    """Codecs in the order in which they are asked: those of the user first, the last one last."""

    def __init__(self) -> None:
        """Start without codecs; ``default_registry`` has those of mandala-cas."""
        self._codecs: dict[str, ValueCodec] = {}
        self._order: list[ValueCodec] = []
        self._hints: dict[str, CompressionHint] = {}

    def register(self, codec: ValueCodec) -> None:
        """Ask ``codec`` before all that were registered before."""
        if codec.name in self._codecs:
            raise UsageError(
                f"a codec named {codec.name!r} is registered already; a name stands in a store "
                "for ever, so choose another",
                name=codec.name,
            )
        self._codecs[codec.name] = codec
        self._hints[codec.name] = (
            codec.compression if isinstance(codec, HintsCompression) else "sample"
        )
        self._order.insert(0, codec)

    def encode(self, value: Any, digests: Digests) -> Encoded:
        """Return ``value`` as bytes, made by the first codec that takes it.

        Raises:
            UsageError: none can.
        """
        reason: UsageError | None = None
        for codec in self._order:
            if not codec.can_encode(value):
                continue
            try:
                fields, buffers = codec.encode(value)
                header = _pack_header(codec, fields)
            except DeclinedError as error:
                reason = error
                continue
            payload = buffers if isinstance(buffers, Pieces) else tuple(buffers)
            digest = payload_digest(payload, digests)
            return Encoded(
                codec.name,
                codec.version,
                header,
                payload,
                size_of(payload),
                payload_hash_of_digest(codec.name, codec.version, header, payload, digest),
                digest,
                self._hints[codec.name],
            )
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UsageError(
            f"cannot store a value of type {kind}: no codec takes it; register one for it",
            found=kind,
        ) from reason

    def runs_code(self, codec_name: str) -> bool:
        """Tell whether decoding may run code of the writer's choosing.

        Raises:
            UnsupportedFormatError: there is no such codec here.
        """
        return self._find(codec_name).runs_code

    def decode(
        self, codec_name: str, codec_version: int, header: bytes, payload: memoryview
    ) -> Any:
        """Return the value that these bytes hold.

        The caller has verified the payload hash and, where ``runs_code``, who wrote it.

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
        """Return the codec of that name."""
        codec = self._codecs.get(codec_name)
        if codec is None:
            raise UnsupportedFormatError(
                f"a value was written by codec {codec_name!r}, which is not here; upgrade "
                "mandala-cas, or register the codec as the writer did",
                codec_name=codec_name,
            )
        return codec


def default_registry() -> CodecRegistry:
    """Return a new registry with the codecs of mandala-cas."""
    registry = CodecRegistry()
    # The last to be registered is asked first, and pickle only when all others declined.
    for codec in (PickleCodec(), TableCodec(), ArrayCodec(), PlainCodec()):
        registry.register(codec)
    return registry


def _pack_header(codec: ValueCodec, fields: Mapping[str, Any]) -> bytes:
    """Return a header as canonical msgpack; one that is too much for a header is declined."""
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
