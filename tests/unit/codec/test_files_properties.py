"""Whatever is in a directory comes back, or is refused; whatever is in a table does no harm."""

from __future__ import annotations

import tempfile
from pathlib import Path

from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.codec.file_trees import read_tree

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.directory_table import pack_table, unpack_table
from mandala_cas.codec.file_contents import Entry
from mandala_cas.codec.file_names import BadNameError, check_paths
from mandala_cas.codec.files import DirCodec
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import MandalaError, UsageError
from mandala_cas.model.files import Dir
from mandala_cas.testing.codecs import decode
from mandala_cas.values.file_cache import FileCache

# Few letters, so that names meet: case, forms of one letter, what Windows drops or takes away.
names = st.text(st.sampled_from("aAb.\u00e9e\u0301: -\\"), min_size=1, max_size=4).filter(
    lambda name: name not in {".", ".."}
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(paths, st.binary(max_size=4), max_size=6)
digests = st.sampled_from([blake3(b"").digest(), None])
tables = st.lists(st.builds(Entry, paths, st.integers(0, 3), digests, st.booleans()), max_size=4)


@given(trees)
def test_a_directory_comes_back_or_is_refused(tree: dict[str, bytes]) -> None:
    """There is nothing between: nothing left out, nothing renamed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        for name, contents in tree.items():
            path = root / name
            # Names of files and of directories meet as well.
            if not any(above.is_file() for above in path.parents) and not path.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(contents)
        registry = CodecRegistry()
        registry.register(DirCodec(FileCache(Path(folder, "cache"))))
        try:
            value_id = content_id(Dir(root))
        except UsageError:
            return

        found = decode(registry, registry.encode(Dir(root), Digests()))

        assert read_tree(found.path) == read_tree(root)
        assert content_id(found) == value_id


@given(tables, st.data())
@example([Entry("a", 0, None), Entry("a/b", 0, blake3().digest())], None)
def test_a_crafted_table_reaches_only_its_own_entry(
    entries: list[Entry], data: st.DataObject | None
) -> None:
    """Its hashes are right, for whoever crafts one can compute them."""
    table = pack_table(sorted(entries, key=lambda entry: entry.name.encode()))
    if data is not None and table:
        cut = data.draw(st.integers(0, len(table)))
        table = table[:cut] if data.draw(st.booleans()) else table
    with tempfile.TemporaryDirectory() as folder:
        cache = FileCache(Path(folder, "a", "cache"))
        payload = memoryview(table + bytes(sum(entry.size for entry in entries)))
        try:
            found = DirCodec(cache).decode({"name": "x", "table": len(table)}, payload).path
        except (MandalaError, ValueError):
            assert not Path(folder, "a").exists()
            return

        everything = [path for path in Path(folder).rglob("*") if path.is_file()]
        # Beside the cache stands who is using it, under names of our own.
        everything = [path for path in everything if path.parent.name != "cache-uses"]
        assert all(path.is_relative_to(found.parent) for path in everything)
        assert pack_table(unpack_table(memoryview(table))) == table


@given(st.lists(paths, max_size=5), st.permutations(range(5)))
def test_the_order_of_names_decides_nothing(found: list[str], order: list[int]) -> None:
    """Two systems list a directory in two orders."""

    def is_refused(listed: list[str]) -> bool:
        try:
            check_paths(listed, [])
        except BadNameError:
            return True
        return False

    shuffled = [found[place] for place in order if place < len(found)]

    assert is_refused(found) == is_refused(shuffled)
