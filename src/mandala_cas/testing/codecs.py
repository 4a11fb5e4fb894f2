"""The contract of a codec, one clause to a test.

Subclass ``CodecSuite`` in a test module, and give it three fixtures: the ``codec``, ``makers`` of
values that it takes, and values that it must leave to others, ``declined``::

    class TestMyCodec(CodecSuite):
        @pytest.fixture
        def codec(self) -> MyCodec:
            return MyCodec()

        @pytest.fixture
        def makers(self) -> Sequence[Callable[[], Any]]:
            return [lambda: MyType(1), lambda: MyType(2)]

        @pytest.fixture
        def declined(self) -> Sequence[Any]:
            return [object()]
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

from mandala_cas.codec.api import DeclinedError, Encoded, ValueCodec
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import (
    CorruptionError,
    MandalaError,
    UnsupportedFormatError,
    UsageError,
)

FLIP_COUNT: Final = 300
CUT_COUNT: Final = 100
LIES: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    2**62,
    0.5,
    "",
    "O",
    "<f8",
    b"",
    b"\xff" * 9,
    [],
    [-1],
    [2**62],
    {},
)
"""What a crafted header says in place of the truth."""

Maker = Callable[[], Any]


class CodecSuite:
    """What every codec promises, whatever it takes."""

    @pytest.fixture
    def codec(self) -> ValueCodec:
        """Return the codec; a subclass must override this."""
        raise UsageError("a subclass of CodecSuite needs a fixture `codec`")

    @pytest.fixture
    def makers(self) -> Sequence[Maker]:
        """Return functions that make a value anew at each call; a subclass must override this."""
        raise UsageError("a subclass of CodecSuite needs a fixture `makers`")

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return values that the codec does not take; a subclass must override this."""
        raise UsageError("a subclass of CodecSuite needs a fixture `declined`")

    @pytest.fixture
    def registry(self, codec: ValueCodec) -> CodecRegistry:
        """Return a registry with this codec alone."""
        registry = CodecRegistry()
        registry.register(codec)
        return registry

    def is_same(self, found: Any, value: Any) -> bool:
        """Tell whether a value came back; override it where content ids cannot."""
        return type(found) is type(value) and content_id(found) == content_id(value)

    def test_values_come_back(self, registry: CodecRegistry, makers: Sequence[Maker]) -> None:
        """Nothing is lost: not a type, not a bit."""
        for make in makers:
            value = make()

            found = decode(registry, registry.encode(value, Digests()))

            assert self.is_same(found, value), (found, value)

    def test_equal_values_have_equal_payload_hashes(
        self, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """Or the same result, computed twice, would be stored twice."""
        for make in makers:
            first, second = registry.encode(make(), Digests()), registry.encode(make(), Digests())

            assert first.payload_hash == second.payload_hash
            assert first.header == second.header

    def test_encoding_again_what_came_back_changes_nothing(
        self, codec: ValueCodec, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """A value that travels through many stores stays what it is.

        Its bytes may differ where they are those of pickle, which are no function of the value.
        """
        for make in makers:
            encoded = registry.encode(make(), Digests())

            again = registry.encode(decode(registry, encoded), Digests())

            assert self.is_same(decode(registry, again), make())
            assert codec.runs_code or again.payload_hash == encoded.payload_hash

    def test_encoding_does_not_change_the_value(
        self, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """It belongs to the user."""
        for make in makers:
            value = make()

            registry.encode(value, Digests())

            assert self.is_same(value, make())

    def test_a_payload_may_be_given_away_or_kept(
        self, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """A read-only one stays as it is, and its values have nothing to do with each other."""
        for make in makers:
            encoded = registry.encode(make(), Digests())
            payload = b"".join(encoded.payload)

            values = [decode(registry, encoded, memoryview(payload)) for _ in range(2)]
            given = decode(registry, encoded, memoryview(bytearray(payload)))

            assert all(self.is_same(value, make()) for value in [*values, given])
            assert payload == b"".join(registry.encode(make(), Digests()).payload)

    def test_an_encoded_value_describes_itself(
        self, codec: ValueCodec, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """What the log writes about a value comes from here."""
        for make in makers:
            assert codec.can_encode(make())

            encoded = registry.encode(make(), Digests())

            assert (encoded.codec_name, encoded.codec_version) == (codec.name, codec.version)
            assert encoded.raw_size == len(b"".join(encoded.payload))
            assert pack(unpack(encoded.header, name="a value", what="header")[0]) == encoded.header

    def test_a_codec_says_how_its_bytes_are_to_be_met(self, codec: ValueCodec) -> None:
        """Who may have written them is asked before they are decoded."""
        assert isinstance(codec.runs_code, bool)
        # Codecs that were written before this was asked need not say.
        assert isinstance(getattr(codec, "is_fragile", False), bool)

    def test_other_values_are_left_to_other_codecs(
        self, codec: ValueCodec, declined: Sequence[Any]
    ) -> None:
        """A codec that brings back something else is worse than none."""
        for value in declined:
            assert is_declined(codec, value), value

    def test_a_newer_version_asks_for_an_upgrade(
        self, codec: ValueCodec, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """The future is not corruption."""
        encoded = registry.encode(makers[0](), Digests())

        with pytest.raises(UnsupportedFormatError, match="upgrade"):
            registry.decode(
                codec.name, codec.version + 1, encoded.header, memoryview(b"".join(encoded.payload))
            )

    def test_a_payload_cut_short_or_grown_is_noticed(
        self, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """Near misses are the interesting ones: most of the payload is right."""
        for make in makers:
            encoded = registry.encode(make(), Digests())
            payload = b"".join(encoded.payload)

            for wrong in [*cuts(payload), payload + b"\0", payload + payload]:
                if wrong != payload:
                    assert_only_typed_errors(registry, encoded, encoded.header, wrong)

    def test_flipped_bits_give_a_value_or_a_typed_error(
        self, codec: ValueCodec, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """Never a crash, whoever wrote the bytes.

        A codec that runs code is asked only about bytes of trusted writers, whose hash was right.
        """
        for make in makers:
            encoded = registry.encode(make(), Digests())
            payload = b"".join(encoded.payload)

            for wrong in () if codec.runs_code else flips(payload):
                assert_only_typed_errors(registry, encoded, encoded.header, wrong)

    def test_headers_that_lie_give_a_value_or_a_typed_error(
        self, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """A header says how much to allocate, and what the bytes are: anyone can write one."""
        for make in makers:
            encoded = registry.encode(make(), Digests())
            payload = b"".join(encoded.payload)

            for header in [*lies(encoded.header), b"", b"\x80", b"\xc0", b"\x81\xa1"]:
                assert_only_typed_errors(registry, encoded, header, payload)

    def test_a_header_that_is_no_map_is_corruption(
        self, registry: CodecRegistry, makers: Sequence[Maker]
    ) -> None:
        """And reported as such."""
        encoded = registry.encode(makers[0](), Digests())

        for header in (b"", b"\xc0", b"\x90", encoded.header + b"\0"):
            with pytest.raises(CorruptionError):
                registry.decode(encoded.codec_name, 1, header, memoryview(bytes(64)))


def decode(registry: CodecRegistry, encoded: Encoded, payload: memoryview | None = None) -> Any:
    """Return the value of ``encoded``; from a copy of its payload, where none is given."""
    if payload is None:
        payload = memoryview(b"".join(encoded.payload))
    return registry.decode(encoded.codec_name, encoded.codec_version, encoded.header, payload)


def is_declined(codec: ValueCodec, value: Any) -> bool:
    """Tell whether a codec leaves ``value`` to others, at once or at a closer look."""
    if not codec.can_encode(value):
        return True
    try:
        codec.encode(value)
    except DeclinedError:
        return True
    except UsageError:
        # The last codec has no others to leave it to.
        return codec.runs_code
    return False


def assert_only_typed_errors(
    registry: CodecRegistry, encoded: Encoded, header: bytes, payload: bytes
) -> None:
    """Decode wrong bytes: a value is no promise, but any error is one of mandala-cas."""
    try:
        registry.decode(
            encoded.codec_name, encoded.codec_version, header, memoryview(bytearray(payload))
        )
    except MandalaError:
        return


def cuts(payload: bytes) -> list[bytes]:
    """Return beginnings of a payload: all of a short one, a sample of a long one's."""
    step = max(1, len(payload) // CUT_COUNT)
    return [payload[:size] for size in range(0, len(payload), step)]


def flips(payload: bytes) -> Iterator[bytes]:
    """Yield copies of a payload with one bit turned: everywhere in the first bytes, and beyond."""
    draw = random.Random(0)  # noqa: S311 (a sample)
    bits = set(range(min(8 * len(payload), FLIP_COUNT)))
    bits |= {draw.randrange(8 * len(payload)) for _ in range(FLIP_COUNT if payload else 0)}
    for bit in sorted(bits):
        wrong = bytearray(payload)
        wrong[bit // 8] ^= 1 << bit % 8
        yield bytes(wrong)


def lies(header: bytes) -> Iterator[bytes]:
    """Yield headers with one field left out, or saying something else."""
    fields, _ = unpack(header, name="a value", what="header")
    assert isinstance(fields, dict)
    for name in fields:
        yield pack({key: part for key, part in fields.items() if key != name})
        yield from (pack({**fields, name: lie}) for lie in LIES)
        inner = fields[name]
        if isinstance(inner, Mapping):
            yield from (
                pack({**fields, name: {**inner, key: lie}}) for key in inner for lie in LIES
            )
