"""What users register: codecs that are asked first, and functions that decide ids."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.codec.own_hooks import own_hooks

from mandala_cas.codec.canonical import canonical_encoding, content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.encoder import Record
from mandala_cas.codec.hooks import register_codec, register_hasher, registered_codecs
from mandala_cas.codec.packages import NEEDED
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.errors import UnsupportedFormatError, UsageError
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.api import Buffer

HERE = __name__


class FractionCodec:
    """A codec of a user's."""

    name = "mine.fraction"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a fraction."""
        return type(value) is Fraction

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return its digits."""
        return {}, (str(value).encode(),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the fraction."""
        del header
        return Fraction(bytes(payload).decode())


class Other(FractionCodec):
    """Another class of codec."""


class Model:
    """A value of a user's, with a part that has no content."""

    def __init__(self, weights: Any) -> None:
        """Hold weights and a lock."""
        self.weights = weights
        self.lock = threading.Lock()


class Better(Model):
    """A class below it."""


class Own(Model):
    """A class with a method of its own."""

    def __mandala_hash__(self) -> Any:
        """Return the weights, doubled."""
        return [self.weights, self.weights]


class BelowOwn(Own):
    """Inherits the method."""


def weights_of(model: Model) -> Any:
    """Return what tells models apart."""
    return model.weights


def halves_of(model: Model) -> Any:
    """Return something else."""
    return model.weights / 2


def made_anew(model: Model) -> Any:
    """Return something that the model does not hold."""
    return [model.weights, threading.Lock()]


@pytest.fixture(autouse=True)
def _hooks() -> Iterator[None]:
    """Keep registrations to the test."""
    with own_hooks():
        yield


def custom(name: str, value: Any) -> bytes:
    """Return the encoding that the specification has for such a value."""
    return canonical_encoding(Record("custom", f"{HERE}:{name}", value))


class TestCodecs:
    """``register_codec``."""

    def test_a_registry_that_was_there_before_asks_it_first(self) -> None:
        """Users register in the middle of a notebook, with the storage open."""
        registry = default_registry()
        before = registry.encode(Fraction(1, 3), Digests())

        register_codec(FractionCodec())
        found = registry.encode(Fraction(1, 3), Digests())

        assert (before.codec_name, found.codec_name) == ("plain", "mine.fraction")
        payload = memoryview(b"".join(found.payload))
        assert registry.decode("mine.fraction", 1, found.header, payload) == Fraction(1, 3)
        assert not registry.runs_code("mine.fraction")

    def test_a_registry_of_its_own_asks_no_hooks(self) -> None:
        """A test of one codec is not to meet another."""
        register_codec(FractionCodec())

        with pytest.raises(UsageError, match="no codec takes it"):
            CodecRegistry().encode(Fraction(1, 3), Digests())
        with pytest.raises(UnsupportedFormatError, match="register"):
            CodecRegistry().runs_code("mine.fraction")

    def test_the_last_one_is_asked_first(self) -> None:
        """Whoever registers a better one wants it used."""
        other = Other()
        other.name = "mine.other"

        register_codec(FractionCodec())
        register_codec(other)

        assert [codec.name for codec in registered_codecs()] == ["mine.other", "mine.fraction"]
        assert default_registry().encode(Fraction(1, 3), Digests()).codec_name == "mine.other"

    def test_the_same_class_again_takes_the_place(self) -> None:
        """A cell of a notebook runs twice."""
        first, second = FractionCodec(), FractionCodec()

        register_codec(first)
        register_codec(second)

        assert registered_codecs() == (second,)

    @pytest.mark.parametrize("name", sorted(NEEDED))
    def test_names_of_mandala_cas_are_taken(self, name: str) -> None:
        """Also those that are not registered here: the value would be read with the wrong one."""
        codec = FractionCodec()
        codec.name = name

        with pytest.raises(UsageError, match=f"'{name}' is there already, of mandala-cas"):
            register_codec(codec)

    def test_a_name_of_another_class_is_taken(self) -> None:
        """It stands in stores."""
        register_codec(FractionCodec())

        with pytest.raises(UsageError, match=f"of class {HERE}:FractionCodec"):
            register_codec(Other())

    @pytest.mark.parametrize(
        ("attribute", "value", "message"),
        [
            ("name", "", "1 to 64 characters"),
            ("name", "a" * 65, "1 to 64 characters"),
            ("name", 5, "1 to 64 characters"),
            ("version", 0, "a number from 1"),
            ("version", True, "a number from 1"),
            ("runs_code", 1, "True or False"),
        ],
    )
    def test_what_is_no_codec_is_refused_when_it_is_registered(
        self, attribute: str, value: Any, message: str
    ) -> None:
        """Later it would be found in a store."""
        codec = FractionCodec()
        setattr(codec, attribute, value)

        with pytest.raises(UsageError, match=message):
            register_codec(codec)

    def test_a_missing_method_and_a_class_are_told(self) -> None:
        """The two slips of everybody's first codec."""
        with pytest.raises(UsageError, match=r"got the class FractionCodec; call it"):
            register_codec(FractionCodec)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(UsageError, match="a codec has 'name', and object does not"):
            register_codec(object())  # type: ignore[arg-type]  # wrong on purpose

    @pytest.mark.parametrize("result", [5, ([], ()), ({}, 5), ({}, ("text",))])
    def test_a_codec_that_returns_nonsense_is_named(
        self, result: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not a TypeError from the depths, and nothing that cannot be read back."""
        register_codec(FractionCodec())
        monkeypatch.setattr(FractionCodec, "encode", lambda *_: result)

        with pytest.raises(
            UsageError, match=r"codec 'mine.fraction' failed on a value of type frac"
        ):
            default_registry().encode(Fraction(1, 3), Digests())


class TestHashers:
    """``register_hasher`` and ``__mandala_hash__``."""

    def test_a_registered_hasher_decides(self) -> None:
        """Also where the id was refused before, in this process."""
        with pytest.raises(UsageError):
            content_id(Model(1.5))

        result = register_hasher(Model, weights_of)

        assert result is weights_of
        assert canonical_encoding(Model(1.5)) == custom("Model", 1.5)
        assert content_id([Model(1.5)]) == content_id([Model(1.5)]) != content_id([Model(2.5)])

    def test_it_decorates(self) -> None:
        """And gives the function back."""

        @register_hasher(Model)
        def first(model: Model) -> Any:
            return model.weights

        assert first(Model(2)) == 2
        assert canonical_encoding(Model(1.5)) == custom("Model", 1.5)

    def test_subclasses_are_served_and_do_not_collide(self) -> None:
        """Equal weights in another class are another value."""
        register_hasher(Model, weights_of)

        assert canonical_encoding(Better(1.5)) == custom("Better", 1.5)
        assert content_id(Better(1.5)) != content_id(Model(1.5))

    def test_the_nearest_class_decides(self) -> None:
        """A subclass knows itself better; what is registered for it goes before its method."""
        register_hasher(Model, weights_of)
        inherited = canonical_encoding(BelowOwn(1.5))
        register_hasher(Own, halves_of)

        assert inherited == custom("BelowOwn", [1.5, 1.5])
        assert canonical_encoding(Own(1.5)) == custom("Own", 0.75)

    def test_a_method_needs_no_registration(self) -> None:
        """It travels with the class."""
        assert canonical_encoding(Own(np.arange(3))) == custom("Own", [np.arange(3)] * 2)

    def test_classes_of_libraries_can_have_one(self) -> None:
        """Whoever wants frames to be equal that differ in a column says so."""
        register_hasher(pd.DataFrame, lambda frame: frame.shape)

        assert content_id(pd.DataFrame({"a": [1]})) == content_id(pd.DataFrame({"b": [5]}))

    @pytest.mark.parametrize(
        "kind", [int, list, dict, object, type, np.ndarray, Fraction, Record, Ref]
    )
    def test_ids_of_the_specification_cannot_be_changed(self, kind: Any) -> None:
        """Everybody else's store has them."""
        with pytest.raises(UsageError, match="cannot have a hasher"):
            register_hasher(kind, repr)

    def test_what_is_no_class_and_no_function_is_refused(self) -> None:
        """Now, not at the first value."""
        with pytest.raises(UsageError, match="registered for a class"):
            register_hasher(list[int], repr)
        with pytest.raises(UsageError, match="is a function"):
            register_hasher(Model, 5)  # type: ignore[call-overload]  # wrong on purpose

    def test_another_hasher_for_the_same_type_is_refused(self) -> None:
        """Silently, ids would change in the middle of a program."""
        register_hasher(Model, weights_of)
        register_hasher(Model, weights_of)

        with pytest.raises(UsageError, match=f"already, {HERE}:weights_of"):
            register_hasher(Model, halves_of)

    def test_a_hasher_that_fails_is_named(self) -> None:
        """It is the user's code, and so is what to do."""
        register_hasher(Model, halves_of)

        with pytest.raises(
            UsageError, match=rf"\[0\].*{HERE}:halves_of raised TypeError.*mend"
        ) as error:
            content_id([Model("a")])

        assert error.value.path == "[0]"

    def test_a_hasher_that_returns_the_value_is_refused(self) -> None:
        """As a reference to itself, all values of the type would be one."""
        register_hasher(Model, lambda model: model)

        with pytest.raises(UsageError, match="returned the value itself"):
            content_id(Model(1))

    def test_what_a_hasher_returns_must_have_content(self) -> None:
        """The path leads to the part of the value, or says that the hasher made it."""
        register_hasher(Model, vars)
        register_hasher(Better, made_anew)

        with pytest.raises(UsageError) as held:
            content_id({"m": Model(1)})
        with pytest.raises(UsageError) as made:
            content_id({"m": Better(1)})

        assert held.value.path == '["m"].lock'
        assert made.value.path == '["m"] -> made_anew()[1]'


class TestHasherOfAnAnnotation:
    """``content_id(value, hasher=...)``."""

    def test_it_gives_the_id_that_registering_it_would(self) -> None:
        """Two ways to say one thing."""
        annotated = content_id(Model(1.5), hasher=weights_of)

        register_hasher(Model, weights_of)

        assert annotated == content_id(Model(1.5))

    def test_it_serves_builtins_and_takes_the_place_of_a_registered_one(self) -> None:
        """Of this parameter alone."""
        register_hasher(Model, weights_of)

        assert content_id(3, hasher=abs) == content_id(-3, hasher=abs) != content_id(3)
        assert content_id(Model(1.5), hasher=halves_of) != content_id(Model(1.5))

    @pytest.mark.parametrize("value", [(1, 2), 5, "a", [1]])
    def test_it_may_return_the_value_itself(self, value: Any) -> None:
        """As ``tuple`` does with a tuple; then it is encoded as it is."""
        name = f"builtins:{type(value).__qualname__}"

        found = canonical_encoding(value, hasher=lambda same: same)

        assert found == canonical_encoding(Record("custom", name, value))

    def test_where_it_fails_is_told(self) -> None:
        """The path begins with the value."""
        with pytest.raises(UsageError, match=r"this value.*abs raised TypeError"):
            content_id("a", hasher=abs)
        with pytest.raises(UsageError) as error:
            content_id(Model(1), hasher=made_anew)

        assert error.value.path == " -> made_anew()[1]"
