"""Repair puts values on record under the user's own signature, so it looks whose they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3
from tests.integration.people import People, read, recorded

from mandala_cas.errors import NotFoundError, UntrustedError
from mandala_cas.imports import Storage, op
from mandala_cas.model.refs import Ref


class Packed:
    """A pickle that lies in a pack."""

    def __init__(self, seed: int) -> None:
        """Hold bytes that do not shrink."""
        self.data = blake3(bytes([seed])).digest(20_000)


@op
def make_packed(seed: int) -> Packed:
    """Return a pickle that lies in a pack."""
    return Packed(seed)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> People:
    """Return people, none of whom knows another."""
    return People(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return where a store will be."""
    return tmp_path / "store"


def files(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def damage(path: Path) -> None:
    """Flip bits near the end of a file, in what only its own hash covers."""
    data = bytearray(path.read_bytes())
    data[-40] ^= 0xFF
    path.write_bytes(data)


@pytest.fixture
def packed(store: Path, people: People) -> list[Ref]:
    """Be Ada, in whose store Mallory recorded two packed pickles, in one pack."""
    people.become("mallory")
    refs = []
    with Storage(store):
        for seed in (1, 2):
            made = make_packed(seed)
            assert isinstance(made, Ref)
            refs.append(made.detached())
    people.become("ada")
    return refs


def test_pickles_of_strangers_are_not_placed_anew(store: Path, packed: list[Ref]) -> None:
    """The damaged pack stays: put anew they would count as Ada's, and be decoded."""
    (pack,) = files(store / "packs")
    damage(pack)
    storage = Storage(store)
    assert not storage.fsck("data").ok

    report = storage.repair("data")

    assert pack.exists()
    left = [action for action in report.actions if str(action.act) == "left alone"]
    assert any("pickles that nobody wrote whom you trust" in action.message for action in left)
    for ref in packed:
        with pytest.raises(UntrustedError):
            Storage(store).unwrap(ref.detached())


def test_pickles_of_trusted_people_are_placed_anew(
    store: Path, packed: list[Ref], people: People
) -> None:
    """Ada trusts their writer, so it may as well be her word."""
    mallory = people.key_of("mallory")
    people.become("ada")
    storage = Storage(store)
    storage.trust(mallory)
    (pack,) = files(store / "packs")
    damage(pack)

    assert storage.repair("data").ok

    assert not pack.exists()
    assert storage.unwrap(packed[0]).data == Packed(1).data


@pytest.mark.usefixtures("packed")
def test_pickles_of_strangers_that_are_gone_are_not_counted_as_lost(store: Path) -> None:
    """Their writer may have them; what Ada cannot read she need not tell Mallory to make again."""
    (pack,) = files(store / "packs")
    pack.unlink()
    storage = Storage(store)

    storage.repair()

    with storage:
        ref = make_packed(1)
    assert isinstance(ref, Ref)
    assert not ref.in_memory


def test_a_damaged_run_of_a_stranger_is_left_alone(store: Path, people: People) -> None:
    """Ada's run of what can be read would say, with her word, whatever the stranger's said."""
    people.become("mallory")
    ref = recorded(store, 1)
    recorded(store, 2)
    Storage(store).compact(full=True, delay=0)
    (run,) = files(store / "manifest" / "2-run")
    for part in files(store / "run-parts"):
        damage(part)
    people.become("ada")

    with pytest.warns(UserWarning, match="skipped a damaged log object"):
        storage = Storage(store)
    report = storage.repair()

    assert [path.name for path in files(store / "manifest" / "2-run")] == [run.name]
    assert any("nobody whom you trust made it" in action.message for action in report.actions)
    assert ref is not None


def test_what_no_run_names_vouches_for_no_pickle(store: Path, people: People) -> None:
    """Nobody signs a part, so anybody could put one there and damage a run."""
    people.become("mallory")
    ref = recorded(store, 1)
    recorded(store, 2)
    Storage(store).compact(full=True, delay=0)
    (run,) = files(store / "manifest" / "2-run")
    damage(run)
    people.become("ada")
    with pytest.warns(UserWarning, match="skipped a damaged log object"):
        storage = Storage(store)

    storage.repair()

    assert not run.exists()
    with pytest.raises(NotFoundError):
        Storage(store).load_values([ref.content_id])
    # Nor is a call on record that could answer with nothing.
    with Storage(store):
        again = read(1)
    assert isinstance(again, Ref)
    assert again.in_memory
