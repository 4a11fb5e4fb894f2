"""The recipes about keys, each told as it happens to people."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.integration.people import People, number_in, read, recorded

from mandala_cas.cli.main import main
from mandala_cas.errors import UntrustedError
from mandala_cas.imports import Storage, op


@op
def halve(number: int) -> Fraction:
    """Return a value that needs no pickle."""
    return Fraction(number, 2)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> People:
    """Return people, none of whom knows another."""
    return People(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return where a store will be."""
    return tmp_path / "store"


def test_a_team_of_three_trusts_each_other_key_by_key(people: People, store: Path) -> None:
    """Trust is a decision of each about each: it is neither mutual nor passed on."""
    refs = {}
    for number, person in enumerate(("ada", "bob", "cyn")):
        people.become(person)
        refs[person] = recorded(store, number)
    keys = {person: people.key_of(person) for person in refs}
    for person in keys:
        people.become(person)
        for other in keys.keys() - {person}:
            Storage(store).trust(keys[other], name=other)

    for person in keys:
        people.become(person)
        assert [number_in(store, ref) for ref in refs.values()] == [0, 1, 2]


def test_trust_of_one_is_no_trust_of_whom_they_trust(people: People, store: Path) -> None:
    """Cyn did not choose Bob; also not where Ada merged what Bob wrote into a run of hers."""
    people.become("bob")
    ref = recorded(store, 1)
    bob, ada = people.key_of("bob"), people.key_of("ada")
    people.become("ada")
    Storage(store).trust(bob, name="bob")
    Storage(store).compact(full=True, delay=0)
    people.become("cyn")
    Storage(store).trust(ada, name="ada")

    with pytest.raises(UntrustedError, match="stands in a run that ada") as caught:
        number_in(store, ref)

    assert caught.value.key_id == bob
    assert caught.value.unknown_keys == [bob]


def test_whoever_merged_must_be_trusted_as_well(people: People, store: Path) -> None:
    """A run is its maker's word: anybody could write one that says Bob wrote something."""
    people.become("bob")
    ref = recorded(store, 1)
    bob, ada = people.key_of("bob"), people.key_of("ada")
    people.become("ada")
    Storage(store).trust(bob, name="bob")
    Storage(store).compact(full=True, delay=0)
    people.become("bob")

    with pytest.raises(UntrustedError) as caught:
        number_in(store, ref)
    assert caught.value.unknown_keys == [ada]
    Storage(store).trust(ada, name="ada")

    assert number_in(store, ref) == 1


def test_a_revoked_key_is_refused_again_and_plain_values_are_not(
    people: People, store: Path
) -> None:
    """Revoking takes back what trusting gave, and no more."""
    people.become("bob")
    ref = recorded(store, 1)
    with Storage(store):
        plain: Any = halve(3)
    bob = people.key_of("bob")
    people.become("ada")
    storage = Storage(store)
    storage.trust(bob, name="bob")
    assert number_in(store, ref) == 1

    storage.revoke("bob")

    with pytest.raises(UntrustedError, match=r"written by bob \(key"):
        storage.unwrap(ref.detached())
    with pytest.raises(UntrustedError):
        number_in(store, ref)
    assert Storage(store).unwrap(plain.detached()) == Fraction(3, 2)


@pytest.mark.parametrize("maker", ["ada", "cyn"])
def test_revocation_reaches_what_was_merged_before(people: People, store: Path, maker: str) -> None:
    """Otherwise a run would launder what Bob wrote, though Ada made it herself."""
    people.become("bob")
    ref = recorded(store, 1)
    bob = people.key_of("bob")
    keys = {person: people.key_of(person) for person in ("ada", "cyn")}
    people.become(maker)
    Storage(store).trust(bob)
    Storage(store).compact(full=True, delay=0)
    people.become("ada")
    Storage(store).trust(keys["cyn"])
    Storage(store).trust(bob, name="bob")
    assert number_in(store, ref) == 1

    Storage(store).revoke(bob)

    assert list((store / "manifest" / "2-run").iterdir())
    with pytest.raises(UntrustedError) as caught:
        number_in(store, ref)
    assert caught.value.unknown_keys == [bob]


def test_two_machines_of_one_person_are_one_writer(
    people: People, store: Path, tmp_path: Path
) -> None:
    """The key is exported on one and imported on the other, and nobody trusts anybody."""
    people.become("laptop")
    ref = recorded(store, 1)
    assert main(["key", "export", str(tmp_path / "stick")]) == 0
    people.become("server")
    with pytest.raises(UntrustedError):
        number_in(store, ref)

    assert main(["key", "import", str(tmp_path / "stick")]) == 0

    assert number_in(store, ref) == 1
    from_server = recorded(store, 2)
    people.become("laptop")
    assert number_in(store, from_server) == 2


def test_a_machine_without_a_home_takes_the_key_from_its_environment(
    people: People, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continuous integration has a secret and no files."""
    people.become("laptop")
    ref = recorded(store, 1)
    main(["key", "export", "-"])
    people.become("ci")
    monkeypatch.setenv("MANDALA_CAS_KEY", capsys.readouterr().out)

    assert number_in(store, ref) == 1
    assert not people.home("ci").joinpath("config").exists()


def test_who_lost_a_key_trusts_the_old_one(people: People, store: Path) -> None:
    """The key signed, and what it signed does not change: its id is enough to read it."""
    people.become("ada")
    ref = recorded(store, 1)
    old = people.key_of("ada")
    shutil.rmtree(people.home("ada"))

    with pytest.raises(UntrustedError) as caught:
        number_in(store, ref)
    assert caught.value.key_id == old
    Storage(store).trust(old, name="my old laptop")

    assert number_in(store, ref) == 1


def test_who_lost_a_key_may_sign_everything_anew(people: People, store: Path) -> None:
    """Then others need to trust the new key only, and the old one can be revoked."""
    people.become("ada")
    ref = recorded(store, 1)
    old = people.key_of("ada")
    shutil.rmtree(people.home("ada"))
    Storage(store).sign(old, dry_run=False)
    new = people.key_of("ada")
    people.become("bob")
    Storage(store).trust(new, name="ada")

    assert number_in(store, ref) == 1


def test_what_a_leaked_key_signs_is_refused_once_it_is_revoked(
    people: People, store: Path, tmp_path: Path
) -> None:
    """Ada signs what she wrote with a new key; the thief has the old one, and nobody cares."""
    people.become("ada")
    ref = recorded(store, 1)
    old = people.key_of("ada")
    main(["key", "export", str(tmp_path / "leaked")])
    people.become("bob")
    Storage(store).trust(old, name="ada")

    people.become("ada")
    (people.home("ada") / "config" / "mandala-cas" / "key").unlink()
    Storage(store).sign(old, dry_run=False)
    new = people.key_of("ada")
    people.become("thief")
    forged = recorded_with(store, 666, tmp_path / "leaked")
    people.become("bob")
    Storage(store).revoke("ada")
    Storage(store).trust(new, name="ada, new key")

    assert number_in(store, ref) == 1
    with pytest.raises(UntrustedError):
        number_in(store, forged)


def recorded_with(store: Path, number: int, key: Path) -> Any:
    """Record a call, signed with a key in a file; return the ref."""
    with Storage(store, key=key):
        ref: Any = read(number)
    return ref.detached()
