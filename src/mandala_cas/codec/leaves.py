"""What a codec of containers asks of the codecs of their leaves.

A leaf is a part of a value that is stored by a codec of its own, such as an array in a dict. Only
codecs that run no code are asked: a value is a pickle as a whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mandala_cas.codec.api import DeclinedError, ValueCodec
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.file_contents import ENTRIES_MAX
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.model.files import Dir, File
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

    def encode_each(self, values: Sequence[Any], digests: Digests) -> list[Leaf]:
        """Return the leaves that codecs make which come after the one of containers.

        Files are copied last: a value that is declined costs no copy of them.

        Raises:
            DeclinedError: none takes one of them, or the first that does would run code.
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

    def encode_each(
        self, codec: ValueCodec, values: Sequence[Any], digests: Digests
    ) -> list[tuple[bytes, tuple[Buffer, ...] | Pieces]]:
        """Return headers and payloads of values; files in them are copied together.

        Raises:
            DeclinedError: one would not come back as it is.
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

    def __init__(self, codecs: Codecs, container_name: str) -> None:
        """Serve the codec of that name, which is never asked itself.

        Codecs that are registered later count as well.
        """
        self._codecs = codecs
        self._container_name = container_name

    def preferred(self, value: Any) -> Leaf | None:
        """Return the leaf that a codec makes which comes before the one of containers."""
        for codec in self._codecs.in_order():
            if codec.name == self._container_name:
                break
            if not codec.can_encode(value):
                continue
            _check_runs_no_code(codec)
            try:
                return self._leaf(codec, value)
            except DeclinedError:
                continue
        return None

    def takes(self, value: Any) -> bool:
        """Tell at a glance whether a codec that runs no code takes ``value``."""
        return any(not codec.runs_code and codec.can_encode(value) for codec in self._others())

    def encode_each(self, values: Sequence[Any], digests: Digests) -> list[Leaf]:
        """Return the leaves that codecs make which come after the one of containers."""
        files: dict[str, list[int]] = {}
        leaves: list[Leaf | None] = []
        for number, value in enumerate(values):
            codec = self._codec_of_files(value)
            if codec is not None:
                files.setdefault(codec.name, []).append(number)
            leaves.append(self._encode(value) if codec is None else None)
        if sum(map(len, files.values())) > ENTRIES_MAX:
            raise UsageError(
                f"cannot store a value with more than {ENTRIES_MAX} files in it; put them into one "
                "Dir, or into an archive that is a File"
            )
        for codec in self._others():
            numbers = files.get(codec.name, ())
            of_codec = [values[number] for number in numbers]
            made = self._codecs.encode_each(codec, of_codec, digests) if of_codec else []
            for number, (header, payload) in zip(numbers, made, strict=True):
                leaves[number] = Leaf(codec.name, codec.version, header, tuple(payload))
        return [leaf for leaf in leaves if leaf is not None]

    def _codec_of_files(self, value: Any) -> ValueCodec | None:
        """Return the codec of a file or directory; None for anything else."""
        if type(value) not in {File, Dir}:
            return None
        # Those of files are asked first of all; where there are none, ``takes`` has said so.
        return next((codec for codec in self._others() if codec.can_encode(value)), None)

    def _encode(self, value: Any) -> Leaf:
        """Return the leaf of anything but a file."""
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
        if codec_name == self._container_name or self._codecs.runs_code(codec_name):
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
        yield from codecs

    def _leaf(self, codec: ValueCodec, value: Any) -> Leaf:
        """Return the leaf that one codec makes."""
        header, payload = self._codecs.encode_with(codec, value)
        return Leaf(codec.name, codec.version, header, tuple(payload))


def _check_runs_no_code(codec: ValueCodec) -> None:
    """Decline what is a leaf of a codec that runs code."""
    if codec.runs_code:
        raise DeclinedError(f"a leaf is for codec {codec.name!r}, which runs code")
