"""The model of a disk after a power cut finds what careless writers lose."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedWriter
from pathlib import Path

import pytest

from mandala_cas.testing.crashfs import CrashState, crash_states
from mandala_cas.testing.platforms import RecordingPlatform

DATA = b"0123456789"


@pytest.fixture
def disk(tmp_path: Path) -> RecordingPlatform:
    """Return a platform over an empty directory."""
    return RecordingPlatform(tmp_path)


def write(disk: RecordingPlatform, path: Path, *, synced: bool) -> None:
    """Write a file."""
    with BufferedWriter(disk.new_file(path)) as file:
        file.write(DATA)
        file.flush()
        if synced:
            disk.sync_file(file.fileno())


def contents(disk: RecordingPlatform, name: str) -> set[bytes | None]:
    """Return all that may be found under a name; None where it is missing."""
    return {state.files.get(name) for state in crash_states(disk.steps)}


def in_place(disk: RecordingPlatform, root: Path) -> None:
    """Write under the final name, as carefully as one can."""
    write(disk, root / "final", synced=True)
    disk.sync_directory(root)
    disk.mark("final")


def without_sync(disk: RecordingPlatform, root: Path) -> None:
    """Leave out the sync of the file."""
    write(disk, root / "temporary", synced=False)
    disk.replace(root / "temporary", root / "final")
    disk.sync_directory(root)
    disk.mark("final")


def without_directory_sync(disk: RecordingPlatform, root: Path) -> None:
    """Leave out the sync of the directory."""
    write(disk, root / "temporary", synced=True)
    disk.replace(root / "temporary", root / "final")
    disk.mark("final")


def without_sync_above(disk: RecordingPlatform, root: Path) -> None:
    """Sync the directory, and not the one that it is in."""
    disk.make_directory(root / "new")
    write(disk, root / "new/temporary", synced=True)
    disk.replace(root / "new/temporary", root / "new/final")
    disk.sync_directory(root / "new")
    disk.mark("new/final")


def carefully(disk: RecordingPlatform, root: Path) -> None:
    """Do it right."""
    disk.make_directory(root / "new")
    disk.sync_directory(root)
    write(disk, root / "new/temporary", synced=True)
    disk.place(root / "new/temporary", root / "new/final")
    disk.unlink(root / "new/temporary")
    disk.sync_directory(root / "new")
    disk.mark("new/final")


def faults(states: list[CrashState]) -> set[str]:
    """Return what is wrong in any of the states."""
    found = set()
    for state in states:
        final = {name: data for name, data in state.files.items() if name.endswith("final")}
        if any(data != DATA for data in final.values()):
            found.add("torn")
        if not set(state.marks) <= set(final):
            found.add("lost")
    return found


@pytest.mark.parametrize(
    ("writer", "expected"),
    [
        (in_place, {"torn"}),
        (without_sync, {"torn"}),
        (without_directory_sync, {"lost"}),
        (without_sync_above, {"lost"}),
        (carefully, set()),
    ],
)
def test_what_a_writer_risks_is_found(
    disk: RecordingPlatform,
    tmp_path: Path,
    writer: Callable[[RecordingPlatform, Path], None],
    expected: set[str],
) -> None:
    """A model that is too kind would let the store pass for careful."""
    writer(disk, tmp_path)

    assert faults(list(crash_states(disk.steps))) == expected


def test_what_was_not_synced_may_be_anything(disk: RecordingPlatform, tmp_path: Path) -> None:
    """Whole, missing, cut off, or of the right size and empty."""
    write(disk, tmp_path / "a", synced=False)

    assert contents(disk, "a") == {None, b"", DATA, DATA[:5], bytes(10)}


def test_what_was_synced_stays(disk: RecordingPlatform, tmp_path: Path) -> None:
    """Only what is written after the sync is at risk."""
    with disk.new_file(tmp_path / "a") as file:
        file.write(b"kept")
        disk.sync_file(file.fileno())
        disk.sync_directory(tmp_path)
        disk.mark("synced")
        file.write(b"more")

    found = {state.files.get("a") for state in crash_states(disk.steps) if state.marks}

    assert found == {b"kept", b"keptmore", b"keptmo", b"kept\0\0\0\0"}


def test_the_halves_of_a_rename_may_come_apart(disk: RecordingPlatform, tmp_path: Path) -> None:
    """The two names may be in directories that are written at different times."""
    write(disk, tmp_path / "a", synced=True)
    disk.sync_directory(tmp_path)
    disk.mark("before")
    disk.replace(tmp_path / "a", tmp_path / "b")

    found = {frozenset(state.files) for state in crash_states(disk.steps) if state.marks}

    assert found == {frozenset("a"), frozenset("b"), frozenset("ab"), frozenset()}


def test_a_scenario_that_is_too_long_is_refused(disk: RecordingPlatform, tmp_path: Path) -> None:
    """Who looks at some of the states only must know it."""
    for number in range(5):
        write(disk, tmp_path / str(number), synced=True)

    with pytest.raises(ValueError, match="32 states at one moment, and at most 31"):
        list(crash_states(disk.steps, states_max=31))


def test_a_state_can_be_made(disk: RecordingPlatform, tmp_path: Path) -> None:
    """What opens a store wants files."""
    (tmp_path / "made").mkdir()
    carefully(disk, tmp_path)
    *_, last = crash_states(disk.steps)

    last.write_to(tmp_path / "made")

    assert (tmp_path / "made/new/final").read_bytes() == DATA
