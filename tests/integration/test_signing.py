"""Signing: a person vouches for what others left in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tests.integration.people import People, Trap, number_in, read, recorded

from mandala_cas.errors import NotFoundError, UntrustedError, UsageError
from mandala_cas.imports import Storage, op
from mandala_cas.model.refs import Ref


class Large:
    """A pickle that lies in a pack, or by itself."""

    def __init__(self, size: int, seed: int) -> None:
        """Hold bytes that do not shrink."""
        self.data = blake3(seed.to_bytes(8, "little")).digest(size)


@op
def make_large(size: int, seed: int) -> Large:
    """Return a large pickle."""
    return Large(size, seed)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> People:
    """Return people, none of whom knows another."""
    return People(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return where a store will be."""
    return tmp_path / "store"


@pytest.fixture
def inherited(store: Path, people: People) -> dict[str, Ref]:
    """Be Ada, who has taken over a store of Bob's: a small value, a packed and a loose one."""
    people.become("bob")
    refs = {"inline": recorded(store, 1)}
    with Storage(store):
        for name, size in (("packed", 20_000), ("loose", 2 << 20)):
            made: Any = make_large(size, 1)
            refs[name] = made.detached()
    people.become("ada")
    return refs


@pytest.mark.parametrize("tier", ["inline", "packed", "loose"])
def test_what_was_signed_is_ones_own(store: Path, inherited: dict[str, Ref], tier: str) -> None:
    """Wherever the bytes lie, and they stay there."""
    payload = {path for path in store.rglob("*") if path.parent.parent.name in {"packs", "blobs"}}

    report = Storage(store).sign(dry_run=False)

    assert (report.carried_out, report.value_count, dict(report.left)) == (True, 3, {})
    assert Storage(store).unwrap(inherited[tier]) is not None
    found = {path for path in store.rglob("*") if path.parent.parent.name in {"packs", "blobs"}}
    assert found == payload


def test_a_dry_run_signs_nothing_and_says_what_it_would(
    store: Path, inherited: dict[str, Ref], people: People
) -> None:
    """Whoever vouches looks first: whose, of which op, and how much."""
    report = Storage(store).sign()

    assert not report.carried_out
    assert [(item.op_name, item.value_count) for item in report.signed] == [
        ("make_large", 2),
        ("read", 1),
    ]
    assert {str(item.writer) for item in report.signed} == {people.key_of("bob")}
    assert "would sign 3 pickles" in str(report)
    assert "storage.sign(dry_run=False)" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["value_count"] == 3
    people.become("ada")
    with pytest.raises(UntrustedError):
        number_in(store, inherited["inline"])


def test_signing_again_finds_nothing(store: Path, inherited: dict[str, Ref]) -> None:
    """It can be cut off and repeated."""
    storage = Storage(store)
    storage.sign(dry_run=False)

    again = storage.sign(dry_run=False)

    assert (again.value_count, again.trusted_count) == (0, len(inherited))


def test_signing_outlives_compaction(
    store: Path, inherited: dict[str, Ref], people: People
) -> None:
    """What was signed is nobody's call, and stays all the same."""
    storage = Storage(store)
    bob = people.key_of("bob")
    people.become("ada")
    storage.trust(bob, name="bob")
    storage.revoke("bob")
    storage.sign(dry_run=False)
    storage.trust(bob)
    storage.compact(full=True, delay=0)
    storage.compact(full=True, delay=0)

    storage.revoke("bob")

    assert number_in(store, inherited["inline"]) == 1


def test_only_what_one_writer_signed(store: Path, people: People) -> None:
    """Two people left a store, and one of them is a stranger."""
    people.become("bob")
    of_bob = recorded(store, 1)
    people.become("mallory")
    of_mallory = recorded(store, 2)
    bob = people.key_of("bob")
    people.become("ada")

    report = Storage(store).sign(bob[:16], dry_run=False)

    assert [str(item.writer) for item in report.signed] == [bob]
    assert number_in(store, of_bob) == 1
    with pytest.raises(UntrustedError):
        number_in(store, of_mallory)
    with pytest.raises(NotFoundError, match="no key of this store"):
        Storage(store).sign("0" * 16)


def test_damaged_bytes_are_not_vouched_for(store: Path, inherited: dict[str, Ref]) -> None:
    """A signature says that these are the bytes; it is given when they are."""
    (pack,) = (path for path in (store / "packs").rglob("*") if path.is_file())
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)

    report = Storage(store).sign(dry_run=False)

    assert set(report.left) == {inherited["packed"].cid}
    assert report.value_count == 2
    assert "left " in str(report)


def test_what_is_being_collected_is_put_anew(
    store: Path, inherited: dict[str, Ref], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that saw no use for it has announced it, and Ada has its bytes."""
    from mandala_cas.upkeep import publishing  # noqa: PLC0415 (patched below)

    places = {
        path.relative_to(store).as_posix()
        for path in store.rglob("*")
        if path.is_file() and path.parts[len(store.parts)] in {"packs", "blobs"}
    }
    looks: list[frozenset[str]] = [frozenset(places)]

    class Announced:
        def __init__(self, objects: object) -> None:
            pass

        def read(self, names: list[str]) -> list[frozenset[str]]:
            assert list(names) == []
            return [looks.pop()] if looks else []

    monkeypatch.setattr(publishing, "Announcements", Announced)

    Storage(store).sign(dry_run=False)
    for place in places:
        (store / place).unlink()

    for ref in inherited.values():
        assert Storage(store).unwrap(ref.detached()) is not None


def test_signing_decodes_nothing(store: Path, people: People) -> None:
    """To decode what one is about to judge would be too early."""
    people.become("mallory")
    with Storage(store):
        op(lambda number: Trap(), name="trap")(1)  # noqa: ARG005 (a call needs an argument)
    people.become("ada")
    sprung = Trap.sprung

    report = Storage(store).sign(dry_run=False)

    assert (report.value_count, Trap.sprung) == (1, sprung)


def test_a_store_that_is_read_only_can_be_looked_at_and_not_signed(
    store: Path, inherited: dict[str, Ref]
) -> None:
    """The dry run writes nothing."""
    storage = Storage(store, mode="r")

    assert storage.sign().value_count == len(inherited)
    with pytest.raises(UsageError, match="cannot sign"):
        storage.sign(dry_run=False)


def test_in_a_store_in_memory_everything_is_ones_own() -> None:
    """Nobody else can write to it."""
    storage = Storage()
    with storage:
        read(1)

    assert storage.sign(dry_run=False).to_dict()["trusted_count"] == 1


def test_fsck_says_whose_pickles_there_are(
    store: Path, inherited: dict[str, Ref], people: People
) -> None:
    """Before one trusts or signs, one wants to know whom and how much."""
    bob, ada = people.key_of("bob"), people.key_of("ada")
    recorded(store, 7)
    storage = Storage(store)
    storage.trust(bob, name="bob")

    for level in ("meta", "refs"):
        pickles = storage.fsck(level).pickles

        assert pickles.count == len(inherited) + 1
        assert pickles.by_op == {"make_large": 2, "read": 2}
        assert pickles.by_signer == {bob: 3, ada: 1}
    report = storage.fsck()
    assert report.to_dict()["pickles"]["names"] == {bob: "bob", ada: "yourself"}
    printed = " ".join(str(report).split())
    assert f"pickles: 3 by bob ({bob}), 1 by yourself ({ada})" in printed


def test_fsck_counts_what_is_in_use(store: Path, people: People) -> None:
    """A dropped pickle is nobody's concern; in a run each is its writer's, not the compactor's."""
    people.become("bob")
    recorded(store, 1)
    storage = Storage(store)
    with storage:
        ref: Any = read(2)
    storage.drop_calls(storage._parts.book.creators(ref)[0].call_id.hex())
    bob = people.key_of("bob")
    people.become("ada")
    storage = Storage(store)
    storage.trust(bob)
    recorded(store, 3)
    storage.compact(full=True, delay=0)

    assert storage.fsck().pickles.by_signer == {bob: 1, people.key_of("ada"): 1}
