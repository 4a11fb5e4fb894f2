"""A file or directory is a value like any other to Python, and a path to whatever takes one."""

from __future__ import annotations

import copy
import os
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.errors import UsageError
from mandala_cas.model.files import Dir, File

KINDS: list[Any] = [File, Dir]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_path(kind: Any, tmp_path: Path) -> None:
    """Libraries take what `os.fspath` takes."""
    value = kind(tmp_path / "a")

    assert issubclass(kind, os.PathLike)
    assert os.fspath(value) == str(value) == str(tmp_path / "a")
    assert Path(value) == value.path == tmp_path / "a"


def test_what_is_in_a_directory_is_named_as_below_a_path(tmp_path: Path) -> None:
    """So that code need not be changed where a path becomes a value."""
    assert Dir(tmp_path) / "a" / "b" == tmp_path / "a" / "b"


@pytest.mark.parametrize("kind", KINDS)
def test_it_means_the_same_in_another_directory(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs change directory between making a file and handing it on."""
    monkeypatch.chdir(tmp_path)
    value = kind("a")
    monkeypatch.chdir(tmp_path.parent)

    assert value.path == tmp_path / "a"


@pytest.mark.parametrize("value", [File("a"), File("a", copy=False), Dir("a")])
def test_it_can_be_copied_compared_and_not_changed(value: Any) -> None:
    """It is sent to other processes, and put into sets."""
    same = [copy.deepcopy(value), pickle.loads(pickle.dumps(value))]  # noqa: S301 (made here)

    assert {value, *same} == {value}
    assert eval(repr(value), {"File": File, "Dir": Dir}) == value  # noqa: S307 (made here)
    assert {value, File("b"), Dir("b"), File("a", copy=not getattr(value, "copy", True))} > {value}
    with pytest.raises(FrozenInstanceError):
        value.path = Path("b")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["", "a\0b", b"a", 1, None])
def test_what_is_no_path_is_refused(kind: Any, path: Any) -> None:
    """Here, where the mistake is still visible."""
    with pytest.raises(UsageError, match="takes a path"):
        kind(path)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_derives_from_it(kind: Any) -> None:
    """A store would bring back another class."""
    with pytest.raises(UsageError, match="cannot derive"):
        type("Mine", (kind,), {})
