"""Every object's name carries a hash, which anybody can check who has the page on the format."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.format.name_checker import check_folder

GOLDEN = Path(__file__).parent / "golden"
ALL_KINDS = {
    "config",
    "README.txt",
    "segment",
    "run",
    "part of a run",
    "announcement",
    "pack",
    "packed value",
    "blob",
    "fresh blob",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of all kinds of objects, as today's code makes it."""
    place = tmp_path_factory.mktemp("names") / "store"
    subprocess.run([sys.executable, GOLDEN / "make_store.py", place], check=True)
    return place


def test_every_name_in_a_store_of_today_is_true(made: Path) -> None:
    """Of every kind there is."""
    kinds, damage = check_folder(made)

    assert damage == {}
    assert kinds.keys() == ALL_KINDS


@pytest.mark.parametrize("name", ["store-1", "store-1-first"])
def test_every_name_in_a_golden_store_is_true(name: str) -> None:
    """And will be: what was written stays."""
    kinds, damage = check_folder(GOLDEN / name)

    assert damage == {}
    assert kinds["segment"] >= 3
    assert kinds["blob"] >= 2


def test_the_check_needs_nothing_of_the_library(made: Path) -> None:
    """Somebody who has only the bytes and the page can do it."""
    checker = Path(__file__).parent / "name_checker.py"
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    program = f"""
import runpy, sys
sys.argv = ["", {str(made)!r}]
try:
    runpy.run_path({str(checker)!r}, run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert not {{"mandala_cas", "msgpack", "numpy"}} & sys.modules.keys()
"""

    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_an_object_with_other_bytes_or_another_name_is_found(made: Path, tmp_path: Path) -> None:
    """A check that finds nothing would pass everything."""
    names = [
        path.relative_to(made)
        for path in made.rglob("*")
        if path.is_file() and path.name not in {"config", "README.txt"}
    ]
    for number, name in enumerate(names):
        copy = Path(shutil.copytree(made, tmp_path / str(number)))
        data = bytearray((copy / name).read_bytes())
        # In the payload: a loose blob's name does not cover what comes after it.
        data[len(data) * 2 // 3 if name.parts[0] != "blobs" else 200] ^= 1
        (copy / name).write_bytes(data)
        other = copy / name.parent / (name.name[:-1] + ("0" if name.name[-1] != "0" else "1"))
        shutil.copy(made / name, other)

        damage = check_folder(copy)[1]

        expected = {name.as_posix(), other.relative_to(copy).as_posix()}
        # A name with another nonce is as good: the hash in it is that of the value.
        assert damage.keys() == (expected if "~" not in name.name else {name.as_posix()})


def test_a_foreign_object_is_found(made: Path, tmp_path: Path) -> None:
    """Nothing in a store has a name without a hash."""
    copy = Path(shutil.copytree(made, tmp_path / "store"))
    (copy / "packs" / "notes.txt").write_text("mine", "ascii")

    assert check_folder(copy)[1] == {"packs/notes.txt": "is named as no object is"}
