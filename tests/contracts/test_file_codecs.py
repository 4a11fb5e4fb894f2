"""The codecs of files keep the contract, and bring nothing to where it does not belong."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tests.unit.codec.file_trees import make_tree, read_tree

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.directory_table import pack_table
from mandala_cas.codec.file_contents import Entry
from mandala_cas.codec.files import DirCodec, FileCodec
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.codec.tracked_files import TrackedDirCodec, TrackedFileCodec
from mandala_cas.envelope.packing import pack
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.model.files import Dir, File
from mandala_cas.testing.codecs import CodecSuite, decode
from mandala_cas.values.file_cache import FileCache

Makers = Sequence[Callable[[], Any]]
NO_FILES: list[Any] = [None, "a.txt", b"a", Path("a.txt"), object()]


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    """Return an empty cache."""
    return FileCache(tmp_path / "cache")


def written(path: Path, contents: bytes, mode: int = 0o644) -> Path:
    """Write a file and return its path."""
    path.write_bytes(contents)
    path.chmod(mode)
    return path


class TestFiles(CodecSuite):
    """Files whose contents are stored."""

    @pytest.fixture
    def codec(self, cache: FileCache) -> FileCodec:
        """Return the codec."""
        return FileCodec(cache)

    @pytest.fixture
    def makers(self, tmp_path: Path) -> Makers:
        """Return files of several sizes, on both sides of what is kept in memory."""
        contents = [b"", b"1,2\n", bytes(70_000), os.urandom(1 << 20), bytes(1 << 20) + b"1"]
        return [
            lambda n=n: File(written(tmp_path / f"data {n}.csv", contents[n]))
            for n in range(len(contents))
        ] + [lambda: File(written(tmp_path / "run.sh", b"#!", 0o755))]

    @pytest.fixture
    def declined(self, tmp_path: Path) -> Sequence[Any]:
        """Return what is none."""
        path = written(tmp_path / "a.txt", b"a")
        return [*NO_FILES, File(path, copy=False), Dir(tmp_path), [File(path)]]

    def test_it_comes_back_read_only_under_its_name(
        self, registry: CodecRegistry, tmp_path: Path, cache: FileCache
    ) -> None:
        """Programs go by suffixes; and what is shared by all calls is not to be written to."""
        encoded = registry.encode(File(written(tmp_path / "run.sh", b"#!", 0o755)), Digests())

        path = decode(registry, encoded).path

        assert path.name == "run.sh"
        assert path.is_relative_to(cache.path)
        assert path.stat().st_mode & 0o777 == 0o555

    @pytest.mark.parametrize(
        ("name", "stored"),
        [
            ("10:30.csv", "10_30.csv"),
            ("a\\b.csv", "a_b.csv"),
            ("con.csv", "_con.csv"),
            ("end. ", "end"),
            (os.fsdecode(b"\xff.csv"), "_.csv"),
            (".mandala-cas.table", "_.mandala-cas.table"),
        ],
    )
    def test_a_name_that_some_system_lacks_is_replaced(
        self, registry: CodecRegistry, tmp_path: Path, name: str, stored: str
    ) -> None:
        """The name is no part of the value, so it must not keep it from being stored."""
        encoded = registry.encode(File(written(tmp_path / name, b"1")), Digests())

        assert decode(registry, encoded).path.name == stored

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/x", "a/b", "C:x", "a\0", "nul"])
    def test_a_crafted_name_is_refused(
        self, registry: CodecRegistry, cache: FileCache, name: str
    ) -> None:
        """Anybody may write a header, and it must not choose a place."""
        header = pack({"name": name, "executable": False})

        with pytest.raises(CorruptionError):
            registry.decode("file", 1, header, memoryview(b"1"))
        assert not cache.path.exists()


class TestTrackedFiles(CodecSuite):
    """Files that stay where they lie."""

    @pytest.fixture
    def codec(self) -> TrackedFileCodec:
        """Return the codec."""
        return TrackedFileCodec()

    @pytest.fixture
    def makers(self, tmp_path: Path) -> Makers:
        """Return files."""
        return [
            lambda: File(written(tmp_path / "empty", b""), copy=False),
            lambda: File(written(tmp_path / "a: b", bytes(100_000)), copy=False),
        ]

    @pytest.fixture
    def declined(self, tmp_path: Path) -> Sequence[Any]:
        """Return what is none."""
        return [*NO_FILES, File(tmp_path / "a.txt"), Dir(tmp_path)]

    def test_it_comes_back_where_it_was(self, registry: CodecRegistry, tmp_path: Path) -> None:
        """Nothing is copied."""
        file = File(written(tmp_path / "a", b"1"), copy=False)
        encoded = registry.encode(file, Digests())

        assert decode(registry, encoded) == file
        assert encoded.raw_size == 0

    @pytest.mark.parametrize("contents", [b"2", b"12", None])
    def test_one_that_changed_or_went_is_damaged(
        self, registry: CodecRegistry, tmp_path: Path, contents: bytes | None
    ) -> None:
        """Its contents are what was recorded, and nothing else may stand in for them."""
        path = written(tmp_path / "a", b"1")
        encoded = registry.encode(File(path, copy=False), Digests())
        path.unlink()
        if contents is not None:
            path.write_bytes(contents)

        with pytest.raises(CorruptionError, match=r"tracked where it lies.*compute it again"):
            decode(registry, encoded)

    @pytest.mark.parametrize(
        "place", ["//host/share/a", "\\\\host\\share\\a", "a", "", "/dev/zero"]
    )
    def test_a_crafted_place_is_not_followed(self, registry: CodecRegistry, place: str) -> None:
        """To look at a share of another host is to tell it who asks; a device never ends."""
        header = pack({"path": place, "size": 0, "digest": blake3().digest()})

        with pytest.raises(CorruptionError):
            registry.decode("tracked-file", 1, header, memoryview(b""))

    def test_a_pipe_keeps_nobody_waiting(self, registry: CodecRegistry, tmp_path: Path) -> None:
        """Opened without care, it would wait for a writer for ever."""
        os.mkfifo(tmp_path / "pipe")
        header = pack({"path": str(tmp_path / "pipe"), "size": 0, "digest": blake3().digest()})

        with pytest.raises(CorruptionError, match="not a regular file"):
            registry.decode("tracked-file", 1, header, memoryview(b""))

    def test_one_on_a_share_is_not_tracked(self, codec: TrackedFileCodec) -> None:
        """What would not be followed is not recorded."""
        with pytest.raises(UsageError, match="use File\\(path\\)"):
            codec.encode(File("//host/share/a", copy=False))


class TestTrackedDirectories(CodecSuite):
    """Directories that stay where they lie."""

    @pytest.fixture
    def codec(self) -> TrackedDirCodec:
        """Return the codec."""
        return TrackedDirCodec()

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """Return a directory with some of everything."""
        files = {"a": b"1", "b/c": bytes(70_000), "run": b"#!"}
        return make_tree(tmp_path / "root", files, runs="run", empty="none")

    @pytest.fixture
    def makers(self, tmp_path: Path, root: Path) -> Makers:
        """Return directories."""
        empty = make_tree(tmp_path / "empty", {})
        return [lambda: Dir(root, copy=False), lambda: Dir(empty, copy=False)]

    @pytest.fixture
    def declined(self, tmp_path: Path) -> Sequence[Any]:
        """Return what is none."""
        return [*NO_FILES, Dir(tmp_path), File(tmp_path / "a.txt", copy=False)]

    def test_it_comes_back_where_it_was(self, registry: CodecRegistry, root: Path) -> None:
        """Nothing is copied but names, sizes and hashes."""
        directory = Dir(root, copy=False)
        encoded = registry.encode(directory, Digests())

        assert decode(registry, encoded) == directory
        assert encoded.raw_size < 500

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            (lambda root: (root / "a").write_bytes(b"2"), "'a' has other contents"),
            (lambda root: (root / "a").write_bytes(b"12"), "'a' has other contents"),
            (lambda root: (root / "b/c").unlink(), "'b/c' is gone"),
            (lambda root: (root / "none").rmdir(), "'none' is gone"),
            (lambda root: (root / "none/new").write_bytes(b""), "it has|'none' is gone"),
            (lambda root: (root / "a").rename(root / "z"), "'a' is gone"),
            (lambda root: (root / "a").chmod(0o755), "'a' can be executed"),
            (lambda root: (root / "more").write_bytes(b""), "more than 4 files"),
            (lambda root: root.rename(root.parent / "moved"), "it is not there"),
        ],
    )
    def test_one_in_which_anything_changed_is_damaged(
        self, registry: CodecRegistry, root: Path, change: Callable[[Path], Any], what: str
    ) -> None:
        """By the rule of a single file, for all that is part of the value."""
        encoded = registry.encode(Dir(root, copy=False), Digests())
        change(root)

        with pytest.raises(CorruptionError, match=rf"tracked where it lies.*({what}).*again"):
            decode(registry, encoded)

    def test_a_file_in_the_place_of_an_empty_directory_is_a_change(
        self, registry: CodecRegistry, root: Path
    ) -> None:
        """They have one name."""
        encoded = registry.encode(Dir(root, copy=False), Digests())
        (root / "none").rmdir()
        (root / "none").write_bytes(b"")

        with pytest.raises(CorruptionError, match="'none' is a file or a directory"):
            decode(registry, encoded)

    @pytest.mark.parametrize("place", ["//host/share", "\\\\host\\share", "a", "", "/dev/null"])
    def test_a_crafted_place_is_not_followed(self, registry: CodecRegistry, place: str) -> None:
        """As that of a file."""
        with pytest.raises(CorruptionError):
            registry.decode("tracked-dir", 1, pack({"path": place}), memoryview(b""))

    def test_a_crafted_table_does_not_have_all_of_a_disk_listed(
        self, registry: CodecRegistry, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A table of one name is compared with one name and no more."""
        looked: list[str] = []
        real = os.scandir

        def scandir(path: Any) -> Any:
            looked.append(str(path))
            return real(path)

        monkeypatch.setattr("os.scandir", scandir)
        table = pack_table([Entry("a", 1, blake3(b"1").digest())])

        with pytest.raises(CorruptionError, match="more than 1 files"):
            registry.decode("tracked-dir", 1, pack({"path": str(root)}), memoryview(table))
        assert looked == [f"{root}/"] or looked == [str(root)]

    @pytest.mark.parametrize("names", [["../a"], ["/a"], ["b", "a"], ["a", "a"], ["a", "a/b"]])
    def test_crafted_names_are_refused(
        self, registry: CodecRegistry, root: Path, names: list[str]
    ) -> None:
        """They must not lead out of the directory, where the hash of a file would be told."""
        table = pack_table([Entry(name, 1, blake3(b"1").digest()) for name in names])

        with pytest.raises(CorruptionError, match="not what codec"):
            registry.decode("tracked-dir", 1, pack({"path": str(root)}), memoryview(table))

    def test_one_on_a_share_is_not_tracked(self, codec: TrackedDirCodec) -> None:
        """What would not be followed is not recorded."""
        with pytest.raises(UsageError, match="use Dir\\(path\\)"):
            codec.encode(Dir("//host/share/a", copy=False))


class TestDirectories(CodecSuite):
    """Directories."""

    @pytest.fixture
    def codec(self, cache: FileCache) -> DirCodec:
        """Return the codec."""
        return DirCodec(cache)

    @pytest.fixture
    def makers(self, tmp_path: Path) -> Makers:
        """Return directories with everything that can be in one."""
        files = {
            "b": b"1",
            "a/c": bytes(70_000),
            "a.x": b"",
            "a/b/d.txt": b"4",
            "é\U0001f40d": b"5",
        }
        large = {"one": bytes(1 << 20), "two": os.urandom(100)}
        return [
            lambda: Dir(make_tree(tmp_path / "none", {})),
            lambda: Dir(make_tree(tmp_path / "full", files, runs="a.x")),
            lambda: Dir(make_tree(tmp_path / "large", large)),
            self.make_with_empty(tmp_path / "empty"),
        ]

    @staticmethod
    def make_with_empty(root: Path) -> Callable[[], Dir]:
        """Return what gives a directory with an empty one in it, made once."""
        make_tree(root, {"a/b": b"1"}, empty="a/c/d")
        return lambda: Dir(root)

    @pytest.fixture
    def declined(self, tmp_path: Path) -> Sequence[Any]:
        """Return what is none."""
        return [*NO_FILES, File(tmp_path / "a.txt"), Dir(tmp_path, copy=False)]

    def test_everything_in_it_comes_back(self, registry: CodecRegistry, makers: Makers) -> None:
        """Names, bytes, empty directories and executable bits."""
        for make in makers:
            original = make().path

            path = decode(registry, registry.encode(make(), Digests())).path

            assert path.name == original.name
            assert read_tree(path) == read_tree(original)
            assert [p for p in path.rglob("*") if p.is_file() and p.stat().st_mode & 0o222] == []
            assert {
                p.name for p in path.rglob("*") if p.is_file() and p.stat().st_mode & 0o100
            } == {p.name for p in original.rglob("*") if p.is_file() and p.stat().st_mode & 0o100}

    @pytest.mark.parametrize(
        "names",
        [
            ["../a"],
            ["a/../../b"],
            ["/a"],
            ["//a"],
            ["a//b"],
            ["a/"],
            ["."],
            [""],
            ["C:a"],
            ["a\\b"],
            ["a\0b"],
            ["a\nb"],
            ["NUL"],
            ["a/com1.txt/b"],
            ["a."],
            ["a/b /c"],
            [".Mandala-CAS.table"],
            ["A", "a"],
            ["A/b", "a/c"],
            ["e\u0301", "\u00e9"],
            ["a", "a/b"],
            ["/".join("a" * 33)],
            ["a" * 256],
            ["/".join(["a" * 200] * 6)],
            ["b", "a"],
            ["a", "a"],
        ],
    )
    def test_crafted_names_are_refused(
        self, registry: CodecRegistry, cache: FileCache, names: list[str]
    ) -> None:
        """Anybody may write a table; with the hashes right, nothing of it may reach the disk."""
        table = pack_table([Entry(name, 1, blake3(b"1").digest()) for name in names])
        header = pack({"name": "x", "table": len(table)})

        with pytest.raises(CorruptionError):
            registry.decode("dir", 1, header, memoryview(table + b"1" * len(names)))
        assert not cache.path.exists()

    def test_a_file_in_what_should_be_empty_is_refused(self, registry: CodecRegistry) -> None:
        """Two rows that contradict each other are none that were written."""
        table = pack_table([Entry("a", 0, None), Entry("a/b", 0, blake3().digest())])
        header = pack({"name": "x", "table": len(table)})

        with pytest.raises(CorruptionError, match="something below"):
            registry.decode("dir", 1, header, memoryview(table))

    @pytest.mark.parametrize("size", [0, 2, 1 << 63])
    def test_sizes_that_lie_are_refused(self, registry: CodecRegistry, size: int) -> None:
        """A file must not reach into the next one, nor beyond the payload."""
        table = pack_table([Entry("a", size, blake3(b"1").digest())])
        header = pack({"name": "x", "table": len(table)})

        with pytest.raises(CorruptionError, match="as long as its table says"):
            registry.decode("dir", 1, header, memoryview(table + b"1"))

    def test_contents_that_differ_from_the_table_are_refused(self, registry: CodecRegistry) -> None:
        """The id is taken of the table: believing it would give wrong files under a right name."""
        table = pack_table([Entry("a", 1, blake3(b"1").digest())])
        header = pack({"name": "x", "table": len(table)})

        with pytest.raises(CorruptionError, match="not those of its table"):
            registry.decode("dir", 1, header, memoryview(table + b"2"))

    def test_too_many_entries_are_refused(
        self, registry: CodecRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They would fill a disk with names."""
        monkeypatch.setattr("mandala_cas.codec.directory_table.ENTRIES_MAX", 2)
        table = pack_table([Entry(name, 0, blake3().digest()) for name in "abc"])
        header = pack({"name": "x", "table": len(table)})

        with pytest.raises(CorruptionError, match="more than 2 entries"):
            registry.decode("dir", 1, header, memoryview(table))
