"""Files as leaves of containers, in bytes that anybody may have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.codec.file_trees import make_tree, read_tree

from mandala_cas.codec import files_within
from mandala_cas.codec.api import Encoded
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.files_within import check_taken, find_file, located
from mandala_cas.codec.leaf_table import write_leaves
from mandala_cas.codec.leaves import Leaf
from mandala_cas.codec.plain import extension, pack_document
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.codec.tracked_files import is_in_place
from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.model.files import Dir, File
from mandala_cas.values.file_cache import FileCache


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    """Return an empty cache."""
    return FileCache(tmp_path / "cache")


@pytest.fixture
def registry(cache: FileCache) -> CodecRegistry:
    """Return the codecs, with that cache."""
    return default_registry(cache)


def crafted(*leaves: Leaf) -> tuple[bytes, memoryview]:
    """Return header and payload of a list of these leaves."""
    forms = [extension(6, number) for number in range(len(leaves))]
    document = pack_document([[], forms])
    kinds_size, payload = write_leaves(document, leaves)
    header = pack({"document": len(document), "kinds": kinds_size, "leaves": len(leaves)})
    return header, memoryview(b"".join(payload))


def file_leaf(name: str, contents: bytes = b"1") -> Leaf:
    """Return a leaf that is a file of that name."""
    return Leaf("file", 1, pack({"name": name, "executable": False}), (contents,))


def decode(registry: CodecRegistry, encoded: Encoded) -> Any:
    """Return the value."""
    payload = memoryview(b"".join(encoded.payload))
    return registry.decode(encoded.codec_name, encoded.codec_version, encoded.header, payload)


def test_the_leaves_are_those_of_the_format(registry: CodecRegistry, cache: FileCache) -> None:
    """Another implementation may write them."""
    found = registry.decode("nested", 1, *crafted(file_leaf("a.txt"), file_leaf("b.txt", b"2")))

    assert [file.path.name for file in found] == ["a.txt", "b.txt"]
    assert [file.path.read_bytes() for file in found] == [b"1", b"2"]
    assert all(file.path.is_relative_to(cache.path) for file in found)


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc/x", "a/b", "C:x", "a\0", "nul"])
def test_a_crafted_name_of_a_leaf_is_refused(
    registry: CodecRegistry, cache: FileCache, name: str
) -> None:
    """It must not choose a place."""
    with pytest.raises(CorruptionError):
        registry.decode("nested", 1, *crafted(file_leaf(name)))
    assert not cache.path.exists()


def test_too_many_files_are_refused(
    registry: CodecRegistry, cache: FileCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes each would fill a disk with names; what is no file may be there as often."""
    monkeypatch.setattr("mandala_cas.codec.nested.ENTRIES_MAX", 2)
    of_others = [Leaf("plain", 1, pack({}), (b"\x01",))] * 5
    leaves = [file_leaf(name) for name in "abc"]
    registry.decode("nested", 1, *crafted(*of_others, *leaves[:2]))
    before = read_tree(cache.path)

    with pytest.raises(CorruptionError, match="more than 2 files"):
        registry.decode("nested", 1, *crafted(*leaves))
    assert read_tree(cache.path) == before


def test_too_many_files_are_not_stored(
    registry: CodecRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reader refuses, a writer refuses."""
    monkeypatch.setattr("mandala_cas.codec.leaves.ENTRIES_MAX", 2)
    make_tree(tmp_path / "root", {"a": b"", "b": b"", "c": b""})

    with pytest.raises(UsageError, match="more than 2 files"):
        registry.encode([File(tmp_path / "root" / name) for name in "abc"], Digests())


@pytest.mark.parametrize("size", range(0, 200, 7))
def test_a_payload_that_is_cut_short_is_refused(
    registry: CodecRegistry, tmp_path: Path, size: int
) -> None:
    """Wherever it ends."""
    root = make_tree(tmp_path / "root", {"a": b"1" * 100, "b": b"2"})
    encoded = registry.encode([File(root / "a"), Dir(root)], Digests())
    payload = memoryview(b"".join(encoded.payload))

    with pytest.raises(CorruptionError):
        registry.decode("nested", 1, encoded.header, payload[:size])


def test_names_of_equal_files_are_kept(registry: CodecRegistry, tmp_path: Path) -> None:
    """Programs go by them, and each is asked for in its own place."""
    root = make_tree(tmp_path / "root", {"a.csv": b"1", "b.txt": b"1"})

    found = decode(
        registry, registry.encode([File(root / n) for n in ("a.csv", "b.txt")], Digests())
    )

    assert [file.path.name for file in found] == ["a.csv", "b.txt"]


def test_what_is_tracked_in_a_container_is_in_its_header(
    registry: CodecRegistry, tmp_path: Path
) -> None:
    """So that a look tells whether the value can be had, without its payload."""
    root = make_tree(tmp_path / "root", {"a": b"12"})
    value = [File(root / "a", copy=False), Dir(root, copy=False), File(root / "a")]
    encoded = registry.encode(value, Digests())

    fields: Any = unpack(encoded.header, name="a value", what="header")[0]

    assert fields["tracked"] == [[str(root / "a"), 2], [str(root), None]]
    assert is_in_place("nested", encoded.header)
    (root / "a").write_bytes(b"123")
    assert not is_in_place("nested", encoded.header)


def test_the_header_tells_of_no_more_than_it_has_room_for(
    registry: CodecRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand tracked files are a value as well, and a header is bounded."""
    names = {f"{number}": b"1" for number in range(70)}
    root = make_tree(tmp_path / "root", names)
    value = [File(root / name, copy=False) for name in names]

    many: Any = unpack(registry.encode(value, Digests()).header, name="a", what="header")[0]
    monkeypatch.setattr("mandala_cas.codec.tracked_files._PLACES_BYTES_MAX", 3)
    none: Any = unpack(registry.encode(value, Digests()).header, name="a", what="header")[0]

    assert len(many["tracked"]) == 64
    assert "tracked" not in none


@pytest.mark.parametrize(
    "fields",
    [
        {"tracked": 5},
        {"tracked": [5]},
        {"tracked": [["a"]]},
        {"tracked": [[5, 5]]},
        {"tracked": [["//host/share", 5]]},
        {"tracked": [["\0", 5]]},
        {"tracked": [["/none", 5]]},
    ],
)
def test_a_crafted_header_is_not_in_place(fields: dict[str, Any]) -> None:
    """Anybody may have written it; to look at a share is to tell its host who asks."""
    assert not is_in_place("nested", pack(fields))
    assert not is_in_place("nested", pack([1]))
    assert is_in_place("nested", pack({}))


def test_the_search_for_a_file_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a circle, and in what is too large to be gone through."""
    circle: list[Any] = [1]
    circle += [circle, {"x": [File(tmp_path)]}]

    assert find_file(circle) == ('[2]["x"][0]', File(tmp_path))
    monkeypatch.setattr(files_within, "_STEPS_MAX", 1)
    assert find_file(circle) is None


def test_an_error_about_what_is_not_in_the_value_stays_what_it_is(tmp_path: Path) -> None:
    """There is nothing to add to it."""
    about_other = UsageError("no", file="/other", reason="r", advice="a")
    about_nothing = UsageError("no")

    assert located([File(tmp_path)], about_other) is about_other
    assert located([File(tmp_path)], about_nothing) is about_nothing


def test_a_file_that_went_after_it_was_copied_was_touched_last(tmp_path: Path) -> None:
    """It cannot say when."""
    root = make_tree(tmp_path / "root", {"a": b"1", "b": b"2"})
    value = [File(root / "a"), File(root / "b")]
    digests = Digests()
    digests.taken = {value[0]: (1, b"other"), value[1]: (1, b"other")}
    (root / "b").unlink()

    with pytest.raises(UsageError, match="changed after it was hashed") as raised:
        check_taken(value, content_id(5), digests, is_hashed=False)

    assert raised.value.path == "[1]"


def test_a_pickle_that_only_looks_like_one_of_a_file_has_no_place_to_name(
    registry: CodecRegistry,
) -> None:
    """Then the error says what it is about all the same."""

    class Mentioning:
        """Something that only pickle takes, with a word in it."""

        word = "mandala_cas.model.files"

        def __reduce__(self) -> tuple[type, tuple[str]]:
            """Return what makes no such thing."""
            return str, (self.word,)

    with pytest.raises(UsageError, match="cannot store a file in this value"):
        registry.encode(Mentioning(), Digests())
