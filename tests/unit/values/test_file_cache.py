"""The cache of files gives out what was put there, whatever users and other processes do to it."""

from __future__ import annotations

import errno
import gc
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.codec.file_trees import make_tree, read_tree

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.files import DirCodec, FileCodec, find_kept
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import MandalaError, StoreUnavailableError
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import ContentId
from mandala_cas.testing.codecs import decode
from mandala_cas.values.file_cache import FileCache

FILES = {"a.txt": b"1", "b/c": b"2", "b/run": b"#!"}


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    """Return an empty cache."""
    return FileCache(tmp_path / "cache")


@pytest.fixture
def registry(cache: FileCache) -> CodecRegistry:
    """Return codecs on the cache."""
    registry = CodecRegistry()
    registry.register(FileCodec(cache))
    registry.register(DirCodec(cache))
    return registry


def entry_of(cache: FileCache) -> Path:
    """Return the only directory in the cache."""
    (entry,) = [path for path in cache.path.iterdir() if path.is_dir()]
    return entry


def edit(path: Path) -> None:
    """Write to a file that was given out, with as many bytes as before."""
    path.chmod(0o644)
    path.write_bytes(b"?" * path.stat().st_size)


def replace(path: Path) -> None:
    """Put another file under the name."""
    path.unlink()
    path.write_bytes(b"another")


def link(path: Path) -> None:
    """Put a link to the very same bytes under the name."""
    copy = path.parents[2] / "copy"
    shutil.copy(path, copy)
    path.unlink()
    path.symlink_to(copy)


def remove(path: Path) -> None:
    """Remove the file."""
    path.unlink()


DAMAGES: list[Callable[[Path], None]] = [edit, replace, link, remove]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_a_user_wrote_to_is_made_again(
    cache: FileCache, registry: CodecRegistry, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """What one caller does to a file must not be another one's result."""
    (tmp_path / "a.txt").write_bytes(b"1")
    encoded = registry.encode(File(tmp_path / "a.txt"), Digests())
    path = decode(registry, encoded).path
    damage(path)

    again = decode(registry, encoded).path

    assert again == path
    assert not again.is_symlink()
    assert again.read_bytes() == b"1"
    assert stat.S_IMODE(again.stat().st_mode) == 0o444
    # What was there is gone, and nothing is left over.
    assert sorted(p.name for p in cache.path.iterdir() if p.name != "lock") == [path.parent.name]


def add(root: Path) -> None:
    """Put a file of the user's own into the directory."""
    (root / "mine").write_bytes(b"")


def add_directory(root: Path) -> None:
    """Put an empty directory of the user's own into the directory."""
    (root / "mine").mkdir()


def damage_table(root: Path) -> None:
    """Write to what the cache keeps beside the directory."""
    (table,) = [path for path in root.parent.iterdir() if path != root]
    edit(table)


def cut_table(root: Path) -> None:
    """Cut what the cache keeps beside the directory."""
    (table,) = [path for path in root.parent.iterdir() if path != root]
    table.chmod(0o644)
    table.write_bytes(table.read_bytes()[:-20])


def turn_into_a_link(root: Path) -> None:
    """Put a link to another directory in the place of the directory."""
    root.rename(root.parent.parent.parent / "elsewhere")
    root.symlink_to(root.parent.parent.parent / "elsewhere")


@pytest.mark.parametrize(
    "damage",
    [
        add,
        add_directory,
        damage_table,
        cut_table,
        turn_into_a_link,
        shutil.rmtree,
        *[lambda root, d=d: d(root / "b" / "c") for d in DAMAGES],
    ],
)
def test_a_directory_that_a_user_wrote_to_is_made_again(
    registry: CodecRegistry, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Every file counts, and so does one that was never stored."""
    root = make_tree(tmp_path / "root", FILES, runs="b/run")
    encoded = registry.encode(Dir(root), Digests())
    path = decode(registry, encoded).path
    damage(path)

    again = decode(registry, encoded).path

    assert again == path
    assert not again.is_symlink()
    assert read_tree(again) == read_tree(root)


def test_another_whole_directory_is_not_this_one(
    cache: FileCache, registry: CodecRegistry, tmp_path: Path
) -> None:
    """What lies under a key is compared with what was asked for, not with itself alone."""
    one = make_tree(tmp_path / "root", FILES)
    encoded = registry.encode(Dir(one), Digests())
    entry = decode(registry, encoded).path.parent
    other = registry.encode(Dir(make_tree(tmp_path / "other" / "root", {"a": b"2"})), Digests())
    theirs = decode(registry, other).path.parent
    shutil.rmtree(entry)
    theirs.rename(entry)

    found = decode(registry, encoded)

    assert read_tree(found.path) == read_tree(one)
    assert found.path.is_relative_to(cache.path)


def test_permissions_are_put_right_without_making_anything_again(
    registry: CodecRegistry, tmp_path: Path
) -> None:
    """Some systems have no executable bit at all: it must not cost a download at each look."""
    root = make_tree(tmp_path / "root", FILES, runs="b/run")
    encoded = registry.encode(Dir(root), Digests())
    run = decode(registry, encoded) / "b" / "run"
    number = run.stat().st_ino
    run.chmod(0o600)

    decode(registry, encoded)

    assert stat.S_IMODE(run.stat().st_mode) == 0o555
    assert run.stat().st_ino == number


def test_what_is_there_is_found_without_its_payload(
    cache: FileCache, registry: CodecRegistry, tmp_path: Path
) -> None:
    """So that nothing is downloaded twice; what is damaged is not found."""
    (tmp_path / "a.txt").write_bytes(b"1")
    root = make_tree(tmp_path / "root", FILES)
    for value in (File(tmp_path / "a.txt"), Dir(root)):
        prepared = registry.encode(value, Digests())
        content_id = ids(value)

        before = find_kept(cache, prepared.codec_name, prepared.header, content_id)
        decoded = decode(registry, prepared)
        after = find_kept(cache, prepared.codec_name, prepared.header, content_id)
        edit(decoded.path if isinstance(decoded, File) else decoded / "a.txt")
        edited = find_kept(cache, prepared.codec_name, prepared.header, content_id)

        assert (before, after, edited) == (None, decoded, None)


@pytest.mark.parametrize("header", [b"", b"\x80", b"\xc0", b"\x81\xa4name\xa2.."])
@pytest.mark.parametrize("codec_name", ["file", "dir", "plain"])
def test_a_crafted_header_finds_nothing(cache: FileCache, codec_name: str, header: bytes) -> None:
    """It is for the codec to say what is wrong with it."""
    assert find_kept(cache, codec_name, header, ids(1)) is None


def ids(value: object) -> ContentId:
    """Return the content id of a value."""
    return content_id(value)


def test_many_that_want_one_file_get_one(
    cache: FileCache, registry: CodecRegistry, tmp_path: Path
) -> None:
    """Whoever comes second takes what is there; nobody sees half of it."""
    root = make_tree(tmp_path / "root", {**FILES, "large": bytes(1 << 20)})
    encoded = registry.encode(Dir(root), Digests())
    barrier = threading.Barrier(8)
    found: list[dict[str, bytes | None]] = []

    def unwrap() -> None:
        barrier.wait()
        found.append(read_tree(decode(registry, encoded).path))

    threads = [threading.Thread(target=unwrap) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [read_tree(root)] * 8
    assert len(list(cache.path.iterdir())) == 1


def test_one_that_was_mended_meanwhile_stays(cache: FileCache) -> None:
    """Between the look and the mending another process may have put a good one there."""
    answers = iter([False, False, True])
    cache.path.mkdir()
    (cache.path / "key").mkdir()
    (cache.path / "key" / "good").write_bytes(b"")

    def fill(place: Path) -> None:
        (place / "mine").write_bytes(b"")

    entry = cache.place("key", fill, lambda _: next(answers, True))

    assert [path.name for path in entry.iterdir()] == ["good"]


def test_nobody_tries_for_ever(cache: FileCache) -> None:
    """If what was just put there is damaged each time, something is wrong with the disk."""
    cache.path.mkdir()
    real = cache._put_aside

    def put_aside(entry: Path, is_intact: Callable[[Path], bool]) -> None:
        real(entry, is_intact)
        (entry / "theirs").mkdir(parents=True)

    cache._put_aside = put_aside  # type: ignore[method-assign]  # (a rival)
    (cache.path / "key" / "theirs").mkdir(parents=True)

    with pytest.raises(StoreUnavailableError, match="try again"):
        cache.place("key", lambda _: None, lambda _: False)
    assert [p.name for p in cache.path.iterdir() if p.name.startswith("tmp-")] == []


def test_a_full_disk_leaves_nothing(cache: FileCache) -> None:
    """Half a file must not be found, and space must not stay taken."""

    def fill(place: Path) -> None:
        (place / "a").write_bytes(b"1")
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(MandalaError, match="is full"):
        cache.place("key", fill, lambda _: True)
    assert list(cache.path.iterdir()) == []


def test_it_is_for_its_user_alone(cache: FileCache) -> None:
    """The store that files came from may be closed to others on the machine."""
    cache.scratch().close()

    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o700
    assert list(cache.path.iterdir()) == []


def test_it_can_be_cleared(cache: FileCache, registry: CodecRegistry, tmp_path: Path) -> None:
    """Read-only files as well, and what dead processes left; then it fills again."""
    root = make_tree(tmp_path / "root", {"a": bytes(1000)})
    encoded = registry.encode(Dir(root), Digests())
    decode(registry, encoded)
    make_tree(cache.path / "tmp-1-2" / "x", {"b": bytes(500)})
    before = cache.size()

    freed = cache.clear()

    assert freed == before > 1500
    assert (cache.size(), list(cache.path.iterdir())) == (0, [])
    assert read_tree(decode(registry, encoded).path) == read_tree(root)


def test_one_that_is_not_there_is_empty(cache: FileCache) -> None:
    """Nothing was ever unwrapped."""
    assert (cache.size(), cache.clear()) == (0, 0)


def test_one_without_a_place_goes_with_its_owner() -> None:
    """A store in memory must leave nothing on the disk."""
    cache = FileCache(None)
    path = cache.path
    make_tree(path / "key", FILES)

    del cache
    gc.collect()

    assert not path.exists()
