"""A user's own codecs, hashers and annotations, in a store that others read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.codec.own_hooks import own_hooks

from mandala_cas.codec import hooks
from mandala_cas.codec.tables import TableCodec
from mandala_cas.errors import UnsupportedFormatError, UntrustedError, UsageError
from mandala_cas.imports import Codec, Hash, Storage, op, register_codec, register_hasher
from mandala_cas.objectstore.api import Buffer


class Model:
    """A value with a part that can be neither hashed nor stored."""

    def __init__(self, weights: list[float]) -> None:
        """Hold weights and a lock."""
        self.weights = weights
        self.lock = threading.Lock()


class ModelCodec:
    """Stores the weights."""

    name = "tests.model"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a model."""
        return type(value) is Model

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the weights."""
        return {}, (np.array(value.weights).tobytes(),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Model:
        """Return a model with a lock of its own."""
        del header
        return Model(np.frombuffer(payload).tolist())


class RunningCodec(ModelCodec):
    """One that says that it runs code."""

    name = "tests.running"
    runs_code = True


def weights_of(model: Model) -> list[float]:
    """Return what tells models apart."""
    return model.weights


RUNS: list[str] = []


@op
def train(size: int) -> Model:
    """Return a model."""
    RUNS.append("train")
    return Model([0.5] * size)


@op
def total(model: Model) -> float:
    """Return the sum of the weights."""
    RUNS.append("total")
    return sum(model.weights)


@op
def clean(
    frame: Annotated[pd.DataFrame, Codec("parquet")],
) -> Annotated[pd.DataFrame, Codec("parquet")]:
    """Return a part of a frame."""
    return frame[frame["a"] > 1]


@pytest.fixture(autouse=True)
def _hooks() -> Iterator[None]:
    """Keep registrations to the test, and forget which ops ran."""
    RUNS.clear()
    with own_hooks():
        yield


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that makes this process somebody's."""
    return lambda user: monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / user))


def codecs_of(storage: Storage, ref: Any) -> set[str]:
    """Return the names of the codecs that wrote a value."""
    storage.commit()
    return {copy.record.codec_name for copy in storage._parts.lookup.copies(ref.content_id)}


def test_a_type_with_a_codec_and_a_hasher_goes_through_a_pipeline(tmp_path: Path) -> None:
    """The storage was open before; another process that registers the same reads it."""
    storage = Storage(tmp_path / "store")
    register_codec(ModelCodec())
    register_hasher(Model, weights_of)

    with storage:
        first = total(train(2))
    with Storage(tmp_path / "store") as again:
        assert again.unwrap(total(train(2))) == 1.0
        assert again.unwrap(total(Model([0.5, 0.5]))) == 1.0

    assert RUNS == ["train", "total"]
    assert storage.unwrap(first) == 1.0
    storage.close()


def test_without_its_codec_a_value_says_what_to_register(tmp_path: Path) -> None:
    """The bytes are right, so it is no corruption, and nothing is run again for it."""
    register_codec(ModelCodec())
    register_hasher(Model, weights_of)
    with Storage(tmp_path / "store"):
        model = train(2)
    hooks._CODECS.clear()

    with (
        pytest.raises(UnsupportedFormatError, match=r"codec 'tests\.model'.*register_codec"),
        Storage(tmp_path / "store") as storage,
    ):
        storage.unwrap(model.detached())  # type: ignore[attr-defined]  # (a ref)

    assert RUNS == ["train"]


def test_without_its_package_a_value_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a colleague's machine with a smaller environment."""
    with Storage(tmp_path / "store"):
        frame = clean(pd.DataFrame({"a": [1, 2]}))
    absent = ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    def decode(*_: Any) -> Any:
        """Fail to import."""
        raise absent

    monkeypatch.setattr(TableCodec, "decode", decode)

    with (
        pytest.raises(UnsupportedFormatError, match="run: pip install pyarrow"),
        Storage(tmp_path / "store") as storage,
    ):
        storage.unwrap(frame.detached())  # type: ignore[operator]  # (a ref)


def test_a_users_codec_that_runs_code_falls_under_trust(
    tmp_path: Path, be: Callable[[str], None]
) -> None:
    """It is a pickle by another name."""
    register_codec(RunningCodec())
    register_hasher(Model, weights_of)
    be("ada")
    with Storage(tmp_path / "store") as storage:
        model = train(2)
        assert storage.unwrap(model.detached()).weights == [0.5, 0.5]  # type: ignore[attr-defined]  # (a ref)
    be("eve")

    storage = Storage(tmp_path / "store")
    with pytest.raises(UntrustedError):
        storage.unwrap(model.detached())  # type: ignore[attr-defined]  # (a ref)


def test_an_annotation_chooses_the_codec_and_no_id(tmp_path: Path) -> None:
    """So a call on record answers whichever codec is asked for now."""
    frame = pd.DataFrame({"a": [1, 2]})

    @op(name="clean", on_stale="keep")
    def plain_clean(frame: pd.DataFrame) -> pd.DataFrame:
        """Do the same, without annotations."""
        raise AssertionError(frame)

    with Storage(tmp_path / "store") as storage:
        result = clean(frame)
        assert plain_clean(frame) == result
        assert storage.unwrap(result.detached()).equals(frame[1:])  # type: ignore[operator]  # (a ref)

    assert codecs_of(storage, result) == {"parquet"}


def test_where_the_value_is_stored_already_the_codec_is_no_matter() -> None:
    """One value, one payload."""
    frame = pd.DataFrame({"a": [1, 2]})

    @op
    def head(frame: pd.DataFrame) -> pd.DataFrame:
        """Return the same as the other op."""
        return frame[frame["a"] > 1]

    with Storage() as storage:
        result = head(frame)
        assert clean(frame).cid == result.cid

    assert codecs_of(storage, result) == {"pandas"}


def test_a_codec_that_does_not_take_a_value_says_why() -> None:
    """The annotation is a demand, so there is no other codec to turn to."""

    @op
    def keep(frame: Annotated[Any, Codec("parquet")]) -> int:
        """Take anything."""
        return len(frame)

    with Storage():
        with pytest.raises(
            UsageError,
            match=r"keep: argument 'frame' cannot be stored: codec 'parquet' does not store this "
            r"value of type builtins\.list: it takes no values of this type",
        ):
            keep([1])
        with pytest.raises(UsageError, match="Parquet cannot hold this table"):
            keep(pd.DataFrame({"a": pd.Categorical([3, 3], categories=[4, 3])}))


def test_an_output_with_an_id_of_its_own_is_stored_under_it() -> None:
    """What cannot be hashed can be returned all the same, if it can be stored."""
    register_codec(ModelCodec())

    @op(name="train")
    def train_again(size: int) -> Annotated[Model, Hash(weights_of)]:
        """Return a model, which has no id without the annotation."""
        return Model([0.5] * size)

    with Storage() as storage:
        first, second = train_again(2), total(train_again(2))

    assert first.cid == Storage()._parts.book.content_id(Model([0.5, 0.5]), weights_of).hex()  # type: ignore[attr-defined]  # (a ref)
    assert storage.unwrap(second) == 1.0


def test_an_output_that_cannot_be_stored_says_which_part() -> None:
    """Of a value with hundreds."""

    @op(output_names=["config"])
    def configure(size: int) -> Annotated[Any, Hash(len)]:
        """Return something with a lock."""
        return {"size": size, "loader": Model([0.5])}

    with (
        Storage(),
        pytest.raises(
            UsageError,
            match=r'configure: output \'config\': config\["loader"\]\.lock \(of type _thr',
        ) as error,
    ):
        configure(1)

    assert (error.value.output, error.value.path) == ("config", '["loader"].lock')


class TestMutation:
    """``Storage(check_mutation=True)``."""

    def test_the_argument_and_the_place_are_named(self) -> None:
        """And the call is not on record: mended, the op runs."""

        @op
        def fill(config: dict[str, Any], size: int) -> int:
            """Change a part of the argument."""
            config["loader"]["size"] = size
            return size

        storage = Storage(check_mutation=True)
        with (
            storage,
            pytest.raises(
                UsageError,
                match=r'fill: argument \'config\': config\["loader"\]\["size"\] was changed',
            ),
        ):
            fill({"loader": {"size": None}}, 5)

        assert list(storage.tables().ops) == []

    def test_what_came_as_a_ref_is_checked(self) -> None:
        """Loaded from the record, and attached to the ref."""

        @op
        def make(size: int) -> list[int]:
            """Return a list."""
            return [0] * size

        @op
        def grow(items: list[int]) -> int:
            """Change it."""
            items.append(1)
            return len(items)

        with Storage(check_mutation=True):
            attached = make(2)
            lazy = make(2)
            for ref in (attached, lazy):
                with pytest.raises(
                    UsageError, match=r"grow: argument 'items': items\[2\] was changed"
                ):
                    grow(ref)

    def test_otherwise_nothing_is_checked(self) -> None:
        """Hashing takes time, and the record is right: it has what was passed in."""

        @op
        def grow(items: list[int]) -> int:
            """Change it."""
            items.append(1)
            return len(items)

        with Storage() as storage:
            assert storage.unwrap(grow([1])) == 2
