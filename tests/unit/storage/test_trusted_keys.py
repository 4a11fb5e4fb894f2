"""The list of trusted keys: private, whole, and shared by a user's processes."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from mandala_cas.errors import NotFoundError, UnsupportedFormatError, UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.storage.trusted_keys import TrustedKeys, TrustedKeysReport, resolve_key
from mandala_cas.storage.trusting import revoke_key

BOB = KeyId(bytes(15) + b"\1")
CYN = KeyId(bytes(15) + b"\2")
DAN = KeyId(b"\x0a" * 16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the list is kept, in a folder that is not there yet."""
    return tmp_path / "config" / "trusted-keys.json"


@pytest.fixture
def trusted(path: Path) -> TrustedKeys:
    """Return a list with a clock that counts."""
    return TrustedKeys(path, count(1_000_000, 1_000_000).__next__)


def test_asking_makes_no_file(trusted: TrustedKeys, path: Path) -> None:
    """Most users trust nobody, and readers write nothing."""
    assert trusted.all() == ()
    assert not trusted.is_trusted(BOB)
    assert trusted.name_of(BOB) is None
    assert not path.parent.exists()


def test_a_key_is_trusted_until_it_is_revoked_and_may_be_again(trusted: TrustedKeys) -> None:
    """What stood in between is kept, so that messages can say whose key it was."""
    trusted.trust(BOB, "bob")
    assert trusted.is_trusted(BOB)

    revoked = trusted.revoke(BOB)

    assert (revoked.trusted_us, revoked.revoked_us) == (1_000_000, 2_000_000)
    assert not trusted.is_trusted(BOB)
    assert trusted.name_of(BOB) == "bob"
    again = trusted.trust(BOB)
    assert trusted.is_trusted(BOB)
    assert (again.name, again.trusted_us, again.revoked_us) == ("bob", 3_000_000, None)


def test_trusting_or_revoking_again_changes_nothing_but_a_name(trusted: TrustedKeys) -> None:
    """A script may do it every day."""
    first = trusted.trust(BOB)

    assert trusted.trust(BOB) == first
    named = trusted.trust(BOB, "bob")
    assert (named.name, named.trusted_us) == ("bob", first.trusted_us)
    assert trusted.revoke(BOB) == trusted.revoke(BOB)


def test_another_process_sees_a_revocation_at_once(trusted: TrustedKeys, path: Path) -> None:
    """A notebook that has been open for a week must not go on trusting."""
    notebook = TrustedKeys(path)
    trusted.trust(BOB)
    assert notebook.is_trusted(BOB)

    trusted.revoke(BOB)

    assert not notebook.is_trusted(BOB)


def test_two_that_trust_at_once_lose_nothing(path: Path) -> None:
    """Each reads, adds and writes; whoever comes second reads what the first wrote."""
    keys = [KeyId(bytes(15) + bytes([number])) for number in range(32)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: TrustedKeys(path).trust(key), keys))

    assert {key.key_id for key in TrustedKeys(path).all()} == set(keys)


@pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")
def test_the_list_is_private(trusted: TrustedKeys, path: Path) -> None:
    """Whom one trusts is nobody's business, and who could write there could run code."""
    trusted.trust(BOB, "bob")
    trusted.trust(CYN, "cyn")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


@pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")
def test_a_list_that_everybody_can_write_is_refused(trusted: TrustedKeys, path: Path) -> None:
    """Somebody may have added a key."""
    trusted.trust(BOB)
    path.chmod(0o602)

    with pytest.raises(UsageError, match=r"list of trusted keys .*chmod 600"):
        TrustedKeys(path).is_trusted(BOB)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 1}',
        '{"format": 1, "keys": []}',
        '{"format": 1, "keys": {"short": {"name": null, "trusted_us": 1, "revoked_us": null}}}',
        json.dumps({"format": 1, "keys": {str(BOB): {"name": 1, "trusted_us": 1}}}),
        json.dumps(
            {"format": 1, "keys": {str(BOB): {"name": 1, "trusted_us": 1, "revoked_us": None}}}
        ),
        "[" * 100_000,
    ],
)
def test_a_damaged_list_is_an_error_and_trusts_nobody(path: Path, text: str) -> None:
    """To take it for an empty one would make the next change forget everybody."""
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    trusted = TrustedKeys(path)

    with pytest.raises(UsageError, match="not a list of trusted keys"):
        trusted.is_trusted(BOB)
    with pytest.raises(UsageError, match="not a list of trusted keys"):
        trusted.trust(CYN)
    assert path.read_text() == text


def test_a_newer_list_asks_for_an_upgrade(path: Path) -> None:
    """It may say something that matters and is not known here."""
    path.parent.mkdir()
    path.write_text('{"format": 2, "keys": {}}')
    path.chmod(0o600)

    with pytest.raises(UnsupportedFormatError, match="format 2"):
        TrustedKeys(path).all()


def test_revoking_a_key_that_was_never_trusted_says_so(trusted: TrustedKeys, path: Path) -> None:
    """It was another one, perhaps; a silent success would leave the right one trusted."""
    with pytest.raises(NotFoundError, match="nothing to revoke"):
        trusted.revoke(BOB)

    assert not path.exists()


def test_a_name_is_one_keys(trusted: TrustedKeys) -> None:
    """Else "written by bob" would say nothing."""
    trusted.trust(BOB, "bob")

    with pytest.raises(UsageError, match=str(BOB)):
        trusted.trust(CYN, "bob")

    assert not trusted.is_trusted(CYN)


@pytest.mark.parametrize("name", ["", " bob", "bob\n", "\x1b[31m", "b" * 201])
def test_a_name_is_a_line_of_text(trusted: TrustedKeys, name: str) -> None:
    """It is printed in errors."""
    with pytest.raises(UsageError, match="line of 1 to 200"):
        trusted.trust(BOB, name)


def test_a_key_is_meant_by_all_or_enough_of_its_digits() -> None:
    """Sixteen digits cannot be made to order, twelve can with patience."""
    known = {BOB, DAN}

    assert resolve_key(str(CYN), known, where="here") == CYN
    assert resolve_key(str(DAN)[:16], known, where="here") == DAN
    assert resolve_key(f" {str(DAN).upper()[:20]}\n", known, where="here") == DAN
    with pytest.raises(UsageError, match="has 15 digits of a key id, and 16 are needed"):
        resolve_key(str(DAN)[:15], known, where="here")


def test_a_prefix_of_two_keys_means_neither() -> None:
    """The message asks why they are so alike."""
    with pytest.raises(UsageError, match=f"2 keys: {BOB}, {CYN}"):
        resolve_key("0" * 16, {BOB, CYN}, where="here")


def test_a_prefix_of_no_known_key_is_not_found() -> None:
    """Nothing is guessed."""
    with pytest.raises(NotFoundError, match="no key of this store begins"):
        resolve_key("f" * 16, {BOB}, where="of this store")


@pytest.mark.parametrize("text", ["", "bob", "0x" + "0" * 30, "0" * 33, "é" * 16])
def test_what_is_no_key_id_is_refused(text: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(UsageError, match="is no key id"):
        resolve_key(text, {BOB}, where="here")


def test_a_key_is_revoked_by_its_name_and_ones_own_is_not(trusted: TrustedKeys) -> None:
    """To revoke the key in use would make everything one writes unreadable to oneself."""
    trusted.trust(BOB, "bob")
    trusted.trust(DAN, "me")

    assert revoke_key(trusted, "bob", DAN).key_id == BOB
    with pytest.raises(UsageError, match="the one that you sign with"):
        revoke_key(trusted, str(DAN), DAN)

    assert trusted.is_trusted(DAN)


def test_the_report_is_a_table_and_plain_data(trusted: TrustedKeys) -> None:
    """For people, and for programs."""
    trusted.trust(BOB, "bob")
    trusted.trust(CYN)
    trusted.revoke(CYN)
    report = TrustedKeysReport(DAN, trusted.all())

    lines = str(report).splitlines()

    assert [line.split()[0] for line in lines[2:]] == [str(DAN), str(BOB), str(CYN)]
    assert lines[2].split()[1] == "(yourself)"
    assert lines[4].split()[1:] == ["1970-01-01", "1970-01-01"]
    assert report.to_dict() == {
        "own_key": str(DAN),
        "keys": [
            {
                "key_id": str(BOB),
                "name": "bob",
                "trusted": "1970-01-01T00:00:01+00:00",
                "revoked": None,
            },
            {
                "key_id": str(CYN),
                "name": None,
                "trusted": "1970-01-01T00:00:02+00:00",
                "revoked": "1970-01-01T00:00:03+00:00",
            },
        ],
    }
    assert "you have none" in str(TrustedKeysReport(None, ()))
