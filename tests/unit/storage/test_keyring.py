"""The user's signing key: one, whole, secret."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.platforms import NoLinksError, PosixPlatform
from mandala_cas.storage.keyring import KeyFile


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """Another process signs as the same writer."""
    first = KeyFile(tmp_path / "config" / "key")
    second = KeyFile(tmp_path / "config" / "key")

    assert first.public_key == second.public_key
    assert first.key_id() == second.key_id()
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["key"]


def test_a_key_is_readable_by_its_user_only(tmp_path: Path) -> None:
    """Whoever reads the key can sign in the user's name."""
    key = KeyFile(tmp_path / "config" / "key")
    key.sign(b"message")

    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.path.parent.stat().st_mode) == 0o700


class RecordingWithoutLinks(PosixPlatform):
    """A file system without hard links, which remembers what was synced."""

    def __init__(self) -> None:
        """Have synced nothing yet."""
        super().__init__()
        self.steps: list[str] = []

    def place(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise NoLinksError(1, f"{source} to {target}")

    def replace(self, source: Path, target: Path) -> None:
        """Rename."""
        self.steps.append(f"replace {target.name}")
        super().replace(source, target)

    def sync_file(self, descriptor: int) -> None:
        """Sync a file."""
        self.steps.append("sync file")
        super().sync_file(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Sync a directory."""
        self.steps.append(f"sync {path.name}/")
        super().sync_directory(path)


def test_a_key_outlives_a_power_cut_on_any_file_system(tmp_path: Path) -> None:
    """Segments do; whoever lost the key that signed them could not trust their own values."""
    platform = RecordingWithoutLinks()
    path = tmp_path / "above" / "config" / "key"

    made = KeyFile(path, platform).public_key

    assert KeyFile(path).public_key == made
    assert platform.steps == ["sync file", "replace key", "sync above/", "sync config/"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["key", "key.lock"]


def test_asking_for_the_id_makes_no_key(tmp_path: Path) -> None:
    """A reader needs no key, and gets none."""
    key = KeyFile(tmp_path / "key")

    assert key.key_id() is None
    assert not key.path.exists()


def test_racing_processes_agree_on_one_key(tmp_path: Path) -> None:
    """The second to come takes the key that is there."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: KeyFile(tmp_path / "key").public_key, range(32)))

    assert len(keys) == 1


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, "ab" * 31, "ab" * 33])
def test_a_damaged_key_file_is_an_error_that_repeats_nothing_of_it(
    tmp_path: Path, text: str
) -> None:
    """Most of a key in a log would be most of a break-in."""
    path = tmp_path / "key"
    path.write_text(text)

    with pytest.raises(UsageError, match="does not hold a signing key") as caught:
        KeyFile(path).sign(b"message")

    assert not text or text not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_key(tmp_path: Path) -> None:
    """The user can mend permissions only where the message says where."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreUnavailableError, match=r"signing key .*file/key"):
        KeyFile(tmp_path / "file" / "key").sign(b"message")
