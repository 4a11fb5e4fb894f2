"""What a codec of containers asks of the codecs of their leaves.

A leaf is a part of a value that is stored by a codec of its own, such as an array in a dict. Only
codecs that run no code are asked: a value is a pickle as a whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mandala_cas.codec.api import DeclinedError, ValueCodec
from mandala_cas.errors import CorruptionError
from mandala_cas.objectstore.api import Buffer, Pieces


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of a value as bytes, and who reads them."""

    codec_name: str
    codec_version: int
    header: bytes
    payload: tuple[Buffer, ...]


class LeafCodecs(Protocol):
    """Turns leaves into bytes and back."""

    def preferred(self, value: Any) -> Leaf | None:
        """Return the leaf that a codec makes which comes before the one of containers.

        Raises:
            DeclinedError: such a codec would run code.
        """
        ...

    def takes(self, value: Any) -> bool:
        """Tell at a glance whether ``encode`` is worth a try."""
        ...

    def encode(self, value: Any) -> Leaf:
        """Return the leaf that a codec makes which comes after the one of containers.

        Raises:
            DeclinedError: none takes it, or the first that does would run code.
        """
        ...

    def decode(
        self, codec_name: str, codec_version: int, header: bytes, payload: memoryview
    ) -> Any:
        """Return the value of a leaf; errors are those of ``CodecRegistry.decode``."""
        ...


class Codecs(Protocol):
    """The codecs of a registry."""

    def in_order(self) -> Sequence[ValueCodec]:
        """Return the codecs, the first to be asked first."""
        ...

    def encode_with(
        self, codec: ValueCodec, value: Any
    ) -> tuple[bytes, tuple[Buffer, ...] | Pieces]:
        """Return the header and the payload that ``codec`` makes.

        Raises:
            DeclinedError: it would not come back as it is.
        """
        ...

    def runs_code(self, codec_name: str) -> bool:
        """Tell whether decoding may run code of the writer's choosing."""
        ...

    def decode(
        self, codec_name: str, codec_version: int, header: bytes, payload: memoryview
    ) -> Any:
        """Return the value that these bytes hold."""
        ...


class SafeLeaves:
    """The codecs of a registry that run no code, for the codec of containers in it."""

    def __init__(
        self, codecs: Codecs, container_name: str, never: Collection[str] = frozenset()
    ) -> None:
        """Serve the codec of that name, which is never asked itself.

        Nor are those in ``never``, and what they take is in no container. Codecs that are
        registered later count as well.
        """
        self._codecs = codecs
        self._container_name = container_name
        self._never = frozenset({container_name, *never})

    def preferred(self, value: Any) -> Leaf | None:
        """Return the leaf that a codec makes which comes before the one of containers."""
        for codec in self._codecs.in_order():
            if codec.name == self._container_name:
                break
            if not codec.can_encode(value):
                continue
            if codec.name in self._never:
                raise DeclinedError(f"what codec {codec.name!r} takes is no part of a container")
            _check_runs_no_code(codec)
            try:
                return self._leaf(codec, value)
            except DeclinedError:
                continue
        return None

    def takes(self, value: Any) -> bool:
        """Tell at a glance whether a codec that runs no code takes ``value``."""
        return any(not codec.runs_code and codec.can_encode(value) for codec in self._others())

    def encode(self, value: Any) -> Leaf:
        """Return the leaf that a codec makes which comes after the one of containers."""
        for codec in self._others():
            if not codec.can_encode(value):
                continue
            _check_runs_no_code(codec)
            try:
                return self._leaf(codec, value)
            except DeclinedError:
                continue
        raise DeclinedError(f"no codec takes a {type(value).__qualname__} as a leaf")

    def decode(
        self, codec_name: str, codec_version: int, header: bytes, payload: memoryview
    ) -> Any:
        """Return the value of a leaf."""
        # Whoever wrote the bytes chose the name, and nobody was asked whether to trust them.
        if codec_name in self._never or self._codecs.runs_code(codec_name):
            raise CorruptionError(
                f"a leaf names codec {codec_name!r}, which writes no leaves; do not rely on it",
                codec_name=codec_name,
            )
        return self._codecs.decode(codec_name, codec_version, header, payload)

    def _others(self) -> Iterator[ValueCodec]:
        """Yield the codecs that are asked after the one of containers."""
        codecs = iter(self._codecs.in_order())
        for codec in codecs:
            if codec.name == self._container_name:
                break
        yield from (codec for codec in codecs if codec.name not in self._never)

    def _leaf(self, codec: ValueCodec, value: Any) -> Leaf:
        """Return the leaf that one codec makes."""
        header, payload = self._codecs.encode_with(codec, value)
        return Leaf(codec.name, codec.version, header, tuple(payload))


def _check_runs_no_code(codec: ValueCodec) -> None:
    """Decline what is a leaf of a codec that runs code."""
    if codec.runs_code:
        raise DeclinedError(f"a leaf is for codec {codec.name!r}, which runs code")
