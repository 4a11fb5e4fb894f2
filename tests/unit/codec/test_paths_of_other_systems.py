"""A path that was stored on one operating system is read on another."""

from __future__ import annotations

import pathlib
import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from mandala_cas.codec import pickles
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.pickles import PickleCodec
from mandala_cas.codec.plain import PlainCodec
from mandala_cas.codec.plain_forms import MAKERS


def windows_path(text: str) -> Any:
    """Return a path as Windows has it, which refuses to be made elsewhere."""
    kind: Any = pathlib.WindowsPath
    if hasattr(kind, "_from_parts"):  # Python 3.11
        return kind._from_parts([text])
    made = object.__new__(kind)
    made.__init__(text)
    return made


class Reduced:
    """Something that pickles as a path of another system does."""

    def __init__(self, kind: type, parts: Sequence[str]) -> None:
        """Pickle as ``kind`` of these parts."""
        self._kind, self._parts = kind, tuple(parts)

    def __reduce__(self) -> tuple[type, tuple[str, ...]]:
        """Return what the pickle calls, and with what."""
        return self._kind, self._parts


def payload(parts: Sequence[Any]) -> memoryview:
    """Return the payload that a codec made."""
    return memoryview(b"".join(parts))


def test_the_same_path_is_stored_as_the_same_bytes() -> None:
    """It is one value then, with one content id, wherever a call was made."""
    codec = PlainCodec()

    there = codec.encode([windows_path("data\\new\\x.csv")])
    here = codec.encode([pathlib.Path("data/new/x.csv")])

    assert there == here


def test_the_same_path_has_the_same_content_id() -> None:
    """A call with it is answered on the other system."""
    there = content_id(windows_path("data\\x.csv"))
    here = content_id(pathlib.Path("data/x.csv"))

    assert there == here


@pytest.mark.parametrize("text", ["data\\x.csv", "C:\\data\\x.csv", "\\\\server\\share\\x"])
def test_a_path_of_windows_is_read_here(text: str) -> None:
    """With forward slashes, which Windows takes as well when it comes back there."""
    header, parts = PlainCodec().encode(windows_path(text))

    decoded = PlainCodec().decode(header, payload(parts))

    assert type(decoded) is type(pathlib.Path())
    assert str(decoded) == text.replace("\\", "/")
    assert pathlib.PureWindowsPath(str(decoded)) == pathlib.PureWindowsPath(text)


def test_a_path_of_linux_is_read_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a path of Windows then."""
    header, parts = PlainCodec().encode(pathlib.Path("data/new/x.csv"))
    # What `pathlib.Path` makes there.
    monkeypatch.setitem(MAKERS, b"Path", pathlib.PureWindowsPath)

    decoded = PlainCodec().decode(header, payload(parts))

    assert str(decoded) == "data\\new\\x.csv"


def test_a_path_of_windows_in_a_pickle_is_read_here() -> None:
    """An object of the user's has a path in it; pickle would refuse to make its class."""
    value = {"where": Reduced(pathlib.WindowsPath, ["C:\\", "data", "x.csv"])}
    header, parts = PickleCodec().encode(value)

    decoded = PickleCodec().decode(header, payload(parts))

    assert decoded == {"where": pathlib.Path("C:/data/x.csv")}


@pytest.mark.parametrize("module", ["pathlib", "pathlib._local"])
def test_a_path_of_linux_in_a_pickle_is_read_on_windows(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Python 3.13 kept the classes in a module of their own."""
    monkeypatch.setattr(pickles, "_FOREIGN_PATHS", {"PosixPath": pathlib.PureWindowsPath})
    stream = pickle.dumps(pathlib.PosixPath("/data/x.csv"), protocol=0)
    stream = stream.replace(b"pathlib._local", b"pathlib").replace(b"pathlib", module.encode())

    header = {"stream": len(stream), "buffers": []}

    decoded = PickleCodec().decode(header, memoryview(stream))

    assert decoded == pathlib.PureWindowsPath("\\data\\x.csv")


def test_paths_of_this_system_are_its_own_class() -> None:
    """What a pickle names here is left alone."""
    header, parts = PickleCodec().encode([pathlib.Path("/data"), type(pathlib.Path())])

    decoded = PickleCodec().decode(header, payload(parts))

    assert decoded == [pathlib.Path("/data"), type(pathlib.Path())]
