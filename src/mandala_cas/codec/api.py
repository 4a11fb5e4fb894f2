"""What a codec is: a pair of functions between values and payloads, with a name.

``mandala_cas.testing.CodecSuite`` checks every clause of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

from mandala_cas.codec.digests import Digests
from mandala_cas.envelope.compression import CompressionHint
from mandala_cas.errors import UsageError
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.api import Buffer, Parts, Pieces

Encoding = tuple[Mapping[str, Any], Parts]
"""A header of msgpack types, and a payload."""


class DeclinedError(UsageError):
    """A codec looked closer at a value and cannot keep it exactly: ask the next one."""

    code = "declined"


class Encoded(NamedTuple):
    """A value as bytes.

    ``header`` is one canonical msgpack map. ``payload`` may be views of the user's own memory:
    consume it before user code runs again. ``payload_digest`` is plain blake3 of the concatenated
    payload, where hashing it gave that for free. ``compression`` is what the codec says of it.
    """

    codec_name: str
    codec_version: int
    header: bytes
    payload: tuple[Buffer, ...] | Pieces
    raw_size: int
    payload_hash: PayloadHash
    payload_digest: bytes | None
    compression: CompressionHint = "sample"


class ValueCodec(Protocol):
    """Turns values into payloads and back, without loss."""

    @property
    def name(self) -> str:
        """What the store knows the codec by; never changes."""
        ...

    @property
    def version(self) -> int:
        """Grows when the bytes change; ``decode`` reads all versions up to it."""
        ...

    @property
    def runs_code(self) -> bool:
        """Whether decoding may run code of the writer's choosing."""
        ...

    def can_encode(self, value: Any) -> bool:
        """Tell at a glance whether ``encode`` is worth a try; cheap, mostly by type."""
        ...

    def encode(self, value: Any) -> Encoding:
        """Return a header of msgpack types and the payload, as buffers that are not copied.

        What cannot be had without a copy, and is large, is best given as ``Pieces``.

        Raises:
            DeclinedError: this value would not come back as it is; the next codec is asked.
            UsageError: no codec can encode it.
        """
        ...

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return a value of its own: changing it changes nothing else.

        A writable ``payload`` is given away and may become part of the value; a read-only one is
        copied where the value could be changed. Any exception but a ``MandalaError`` means that
        the bytes are not what ``encode`` made.
        """
        ...


class CopiesFiles(ValueCodec, Protocol):
    """A codec of values that have files of the user's in them, which may change at any time."""

    def encode_with_files(self, values: Sequence[Any], digests: Digests) -> list[Encoding]:
        """Return of each value what ``encode`` would; all together are one copy at most.

        What each file held when it was copied is noted in ``digests.taken``.
        """
        ...


def copies_files(codec: ValueCodec) -> TypeGuard[CopiesFiles]:
    """Tell whether a codec has ways of its own with files; asked of each value that is stored."""
    # Not by `isinstance`, which takes longer to deny it than small values take to be encoded.
    return hasattr(codec, "encode_with_files")


@runtime_checkable
class HintsFragility(Protocol):
    """A codec whose decoder crafted bytes may crash, or may not; of others nobody thinks so."""

    @property
    def is_fragile(self) -> bool:
        """Whether the decoder is a library of somebody else's that crafted bytes may crash.

        Then the signature of who placed the bytes is verified before ``decode`` sees them.
        """
        ...


class HintsCompression(Protocol):
    """A codec that knows whether its payloads shrink; of any other, samples decide."""

    @property
    def compression(self) -> CompressionHint:
        """``"never"`` for what is compressed already; it spares looking, and changes no id."""
        ...
