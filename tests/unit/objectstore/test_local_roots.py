"""Whatever way a root is spelled, an object is listed under the name it was put under."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.names import is_name
from mandala_cas.objectstore.opening import open_object_store

# Between them: what other systems take for a separator, a drive, a pattern or the end of a path.
ROOTS = [
    "{tmp}/plain",
    "{tmp}/slash/",
    "{tmp}//two//slashes//",
    "{tmp}/./a/../dots",
    "{tmp}/sp ace",
    "{tmp}/caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "{tmp}/cafe\N{COMBINING ACUTE ACCENT}",
    "{tmp}/\N{SNOWMAN}/\N{HEBREW LETTER ALEF}",
    "{tmp}/UPPER/lower",
    "{tmp}/[a]*?#%41",
    "{tmp}/back\\slash",
    "{tmp}/trailing.",
    "relative",
    "relative/",
    "./relative/deeper",
    ".",
    "..//sibling",
    "~/results",
    "~//results/",
    "C:/Users/me",
    "C:\\Users\\me",
    "c:relative",
    "\\\\server\\share\\store",
    "file:///{tmp}/url",
    "file://{tmp}/url/",
    "local:{tmp}/other",
]
PART = st.from_regex(r"[0-9A-Za-z_~=-][0-9A-Za-z._~=-]{0,20}", fullmatch=True)
NAMES = st.lists(PART, min_size=1, max_size=4).map("/".join).filter(is_name)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of one's own, which is home as well."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("root", ROOTS)
def test_an_object_is_listed_under_its_name(place: Path, root: str) -> None:
    """A name that comes back otherwise is one that a collector takes for nobody's."""
    names = ["config", "blobs/ab/cd~1", "manifest/1-log/a.b=c"]
    store = open_object_store(root.format(tmp=place))

    store.put_many({name: [name.encode()] for name in names})

    assert sorted(info.name for info in store.list("")) == sorted(names)
    assert [info.name for info in store.list("manifest/")] == [names[2]]
    assert store.get_many(names) == [name.encode() for name in names]


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_is_the_same_store_when_it_is_opened_by_its_url(place: Path, root: str) -> None:
    """The url is what is written down, and handed to another process."""
    store = open_object_store(root.format(tmp=place))
    store.put("config", [b"x"])
    os.chdir(place)

    again = open_object_store(store.url)

    assert again.url == store.url
    assert again.get("config") == b"x"


@given(names=st.sets(NAMES, min_size=1, max_size=5))
def test_every_name_comes_back(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    """Whatever can name an object is listed as it was put, and nothing else is."""
    # A name cannot also be a directory of another one.
    wanted = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
    store = LocalObjectStore(f"{tmp_path_factory.mktemp('names')}//store/")

    for name in wanted:
        store.put(name, [name.encode()])

    assert {info.name for info in store.list("")} == wanted
    assert all(store.get(name) == name.encode() for name in wanted)


def test_nothing_is_written_where_temporary_files_of_programs_go(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``$TMPDIR`` may be another file system, where a rename would be a copy that can be torn."""
    elsewhere = place / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setattr("tempfile.tempdir", None)
    elsewhere.chmod(0o500)
    before = elsewhere.stat().st_mtime_ns

    store = LocalObjectStore("store")
    store.put("log/1", [bytes(200_000)])
    store.put_many({"log/2": [b"x"], "log/1": [b"y"]})
    store.create("config", b"z")
    store.delete(["log/2"])

    assert elsewhere.stat().st_mtime_ns == before
    assert list(elsewhere.iterdir()) == []


def test_a_drive_on_another_disk_is_refused_only_as_a_url(place: Path) -> None:
    """A letter and a colon are a drive; more letters and a colon are a scheme."""
    drive = open_object_store("D:/data")

    assert isinstance(drive, LocalObjectStore)
    assert drive.root == place / "work/D:/data"
    with pytest.raises(UsageError, match=re.escape("write 's3://bucket/data'")):
        open_object_store("s3:bucket/data")
