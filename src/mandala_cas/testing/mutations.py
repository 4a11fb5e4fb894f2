"""Near misses of stored values: real bytes of a codec with something in them turned into a lie.

Random bytes only test the first check of a decoder. So headers are changed field by field, and
payloads where sizes and counts are likely to stand.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mandala_cas.codec.api import Encoded
from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import MandalaError

NUMBERS: Final = (0, 1, -1, 2, 7, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1)
TEXTS: Final = ("", "O", "<f8", "|V0", "<U1", "../x", "\0", "a" * 300)
BYTES: Final = (0x00, 0x01, 0x7F, 0x80, 0x90, 0xC0, 0xC1, 0xC7, 0xC9, 0xDD, 0xDF, 0xFF)
LENGTHS: Final = (2, 33, 1000)
STACK_MAX: Final = 3
# An array, a map, a text and bytes of msgpack that say how long they are in four bytes.
_CLAIMS: Final = (b"\xdd", b"\xdf", b"\xdb", b"\xc6")

Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a store has of a value: the codec, its header, and the payload, not compressed."""

    codec_name: str
    codec_version: int
    header: bytes
    payload: bytes

    @property
    def claimed_size(self) -> int:
        """How many bytes a value of this has, by what the store says of it."""
        return len(self.header) + len(self.payload)


def sample_of(encoded: Encoded) -> Sample:
    """Return the sample of a value that was encoded."""
    payload = b"".join(encoded.payload)
    return Sample(encoded.codec_name, encoded.codec_version, encoded.header, payload)


def mutations(samples: Sequence[Sample], draw: random.Random) -> Iterator[Sample]:
    """Yield near misses of ``samples`` without an end, all of one codec; the same for one seed."""
    mutator = _Mutator(samples, draw)
    while True:
        sample = draw.choice(samples)
        for _ in range(draw.randint(1, STACK_MAX)):
            sample = mutator.mutated(sample)
        yield sample


class _Mutator:
    """Changes samples by what a generator draws."""

    def __init__(self, samples: Sequence[Sample], draw: random.Random) -> None:
        """Take what is spliced in from ``samples``."""
        self._samples = samples
        self._draw = draw
        self._changes: Sequence[Change] = (
            self._flipped,
            self._flipped,
            self._overwritten,
            self._cut,
            self._grown,
            self._spliced,
            self._repeated,
            self._shortened,
            self._with_number,
            self._with_number,
            self._with_claims,
        )

    def mutated(self, sample: Sample) -> Sample:
        """Return a sample with one thing changed."""
        kind = self._draw.random()
        if kind < 0.4:
            return replace(sample, header=self._header(sample.header))
        if kind < 0.45:
            return replace(sample, header=self._draw.choice(self._samples).header)
        if kind < 0.5:
            return replace(sample, header=self._flipped(sample.header))
        return replace(sample, payload=self._draw.choice(self._changes)(sample.payload))

    def _header(self, header: bytes) -> bytes:
        """Return a header of which one part, at any depth, is something else."""
        try:
            fields, _ = unpack(header, name="a value", what="header")
            spots = list(_spots(fields))
            if not spots:
                return header
            container, key = self._draw.choice(spots)
            if isinstance(container, dict) and self._draw.random() < 0.1:
                del container[key]
            else:
                container[key] = self._lie(container[key])
            return pack(fields)
        except MandalaError:
            # It was no header before, or is too long for one now.
            return header

    def _lie(self, part: Any) -> Any:
        """Return something in the place of a part of a header: mostly of its own type."""
        if self._draw.random() < 0.2:
            return self._draw.choice((None, True, 0.5, b"\xff" * 9, [], {}, *NUMBERS, *TEXTS))
        match part:
            case bool():
                return not part
            case int():
                return self._draw.choice((*NUMBERS, part + 1, part - 1, part * 8))
            case str():
                return self._draw.choice((*TEXTS, part[1:], part + part, part.swapcase()))
            case bytes():
                return self._flipped(part)
            case list():
                return (part or [0]) * self._draw.choice(LENGTHS)
            case dict():
                return {**part, "more": part}
            case _:
                return self._draw.choice(NUMBERS)

    def _place(self, data: bytes) -> int:
        """Return a place in bytes: mostly near the beginning or the end, where structure is."""
        size = len(data)
        kind = self._draw.random()
        if kind < 0.4:
            return self._draw.randrange(min(size, 64) + 1)
        if kind < 0.6:
            return size - self._draw.randrange(min(size, 64) + 1)
        return self._draw.randrange(size + 1)

    def _flipped(self, data: bytes) -> bytes:
        """Turn up to eight bits."""
        changed = bytearray(data)
        for _ in range(self._draw.randint(1, 8) if data else 0):
            place = min(self._place(data), len(data) - 1)
            changed[place] ^= 1 << self._draw.randrange(8)
        return bytes(changed)

    def _overwritten(self, data: bytes) -> bytes:
        """Put a byte that begins something into the place of another."""
        place = self._place(data)
        return data[:place] + bytes([self._draw.choice(BYTES)]) + data[place + 1 :]

    def _cut(self, data: bytes) -> bytes:
        """Cut the end off."""
        return data[: self._place(data)]

    def _grown(self, data: bytes) -> bytes:
        """Add to the end."""
        return data + self._draw.choice((b"\0", bytes(64), b"\xff" * 8, data))

    def _spliced(self, data: bytes) -> bytes:
        """Go on as another value does."""
        other = self._draw.choice(self._samples).payload
        return data[: self._place(data)] + other[self._place(other) :]

    def _repeated(self, data: bytes) -> bytes:
        """Say something twice."""
        start, end = sorted((self._place(data), self._place(data)))
        return data[:end] + data[start:]

    def _shortened(self, data: bytes) -> bytes:
        """Leave something out."""
        start, end = sorted((self._place(data), self._place(data)))
        return data[:start] + data[end:]

    def _with_number(self, data: bytes) -> bytes:
        """Put an extreme number where a size may stand, of any width and in either order."""
        width = self._draw.choice((1, 2, 4, 8))
        number = self._draw.choice((*NUMBERS, len(data), len(data) + 1))
        order = self._draw.choice(("little", "big"))
        raw: bytes = (number % 256**width).to_bytes(width, "big")
        place = self._place(data)
        if self._draw.random() < 0.7:
            place -= place % width
        return data[:place] + (raw if order == "big" else raw[::-1]) + data[place + width :]

    def _with_claims(self, data: bytes) -> bytes:
        """Put containers within each other that all claim to be as long as they could be."""
        head = self._draw.choice(_CLAIMS) + len(data).to_bytes(4, "big")
        return self._cut(data) + head * self._draw.choice((1, 3, 30, 600)) + data


def _spots(part: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a header with each key or place in it."""
    keys: Iterator[Any] = iter(())
    if isinstance(part, dict):
        keys = iter(list(part))
    elif isinstance(part, list):
        keys = iter(range(min(len(part), 50)))
    for key in keys:
        yield part, key
        yield from _spots(part[key])
