"""A key that is handed in: as text or as a file, by an argument or by the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.errors import UsageError
from mandala_cas.imports import Storage
from mandala_cas.model.ids import KeyId
from mandala_cas.storage.keyring import (
    KEY_VARIABLE,
    KeyFile,
    default_key_path,
    read_secret,
    replace_secret,
    secret_of,
    user_key,
    write_secret,
)

ONE, OTHER = "0a" * 32, "0b" * 32


def id_of(text: str) -> KeyId:
    """Return the id of a key that is written as text."""
    return key_id_of(SigningKey(bytes.fromhex(text)).public_key)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a key that only its user reads."""
    path = tmp_path / "given"
    write_secret(path, bytes.fromhex(ONE))
    return path


def test_a_key_is_given_as_text_or_as_a_file(file: Path) -> None:
    """A secret of continuous integration is text; on a laptop it is a file."""
    assert user_key(ONE, {}).key_id() == id_of(ONE)
    assert user_key(f"  {ONE}\n", {}).key_id() == id_of(ONE)
    assert user_key(file, {}).key_id() == id_of(ONE)
    assert user_key(str(file), {}).key_id() == id_of(ONE)


def test_what_is_given_counts_before_the_environment_and_that_before_the_file(file: Path) -> None:
    """The nearer to the code, the more it knows."""
    assert user_key(OTHER, {KEY_VARIABLE: str(file)}).key_id() == id_of(OTHER)
    assert user_key(None, {KEY_VARIABLE: str(file)}).key_id() == id_of(ONE)
    assert isinstance(user_key(None, {KEY_VARIABLE: ""}), KeyFile)


def test_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody hands one in."""
    monkeypatch.setenv(KEY_VARIABLE, ONE)

    assert user_key().key_id() == id_of(ONE)


@pytest.mark.parametrize("given", ["0a" * 31, "0a" * 31 + "0", "zz" * 32, "no/such/file", "a\0b"])
def test_a_mistyped_key_is_an_error_that_repeats_nothing_of_it(given: str) -> None:
    """Most of a key in a log would be most of a break-in."""
    with pytest.raises(UsageError, match="neither a signing key of 64 hex") as caught:
        user_key(given, {})

    assert given not in str(caught.value)
    assert given not in str(caught.value.details)


def test_a_file_that_is_not_there_makes_no_key(tmp_path: Path) -> None:
    """A mistyped path would otherwise make another writer of its user."""
    with pytest.raises(UsageError, match=r"missing is neither .*No such file"):
        user_key(tmp_path / "missing", {})

    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_key_is_an_error(tmp_path: Path) -> None:
    """It is not made one."""
    (tmp_path / "file").write_text("not a key")

    with pytest.raises(UsageError, match="does not hold a signing key"):
        user_key(tmp_path / "file", {})


@pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o666])
def test_a_key_that_everybody_can_read_or_write_is_refused(file: Path, mode: int) -> None:
    """It proves nothing, and running code rests on it. The message says what to do."""
    file.chmod(mode)

    with pytest.raises(UsageError, match=r"open to every user .*chmod 600"):
        user_key(file, {})


@pytest.mark.skipif(os.name == "nt", reason="modes say nothing there")
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_group_may_read_a_key(file: Path, mode: int) -> None:
    """Secrets are mounted into containers like that."""
    file.chmod(mode)

    assert user_key(file, {}).key_id() == id_of(ONE)


def test_a_storage_signs_with_the_key_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And makes no other."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    storage = Storage(tmp_path / "store", key=ONE)

    assert storage.trusted().own_key == id_of(ONE)
    assert not default_key_path().exists()


@pytest.mark.parametrize("place", [None, "store"])
def test_a_storage_checks_the_key_that_it_was_given(tmp_path: Path, place: str | None) -> None:
    """Also one in memory, which does not sign: the next one will."""
    where = None if place is None else tmp_path / place

    with pytest.raises(UsageError, match="neither a signing key"):
        Storage(where, key="mistyped")


def test_a_replaced_key_is_kept_beside(file: Path) -> None:
    """Without it, nobody could sign as who wrote so far."""
    kept = replace_secret(file, bytes.fromhex(OTHER))

    assert read_secret(file).hex() == OTHER
    assert read_secret(kept).hex() == ONE
    assert sorted(path.name for path in file.parent.iterdir()) == ["given", kept.name]


def test_a_running_process_keeps_to_its_key(file: Path) -> None:
    """Its journals would be nobody's if half of it changed."""
    key = KeyFile(file)
    before = (key.key_id(), key.derive("journal"))

    replace_secret(file, bytes.fromhex(OTHER))

    assert (key.key_id(), key.derive("journal")) == before
    assert KeyFile(file).derive("journal") != before[1]


def test_a_key_that_is_not_there_has_no_secret(tmp_path: Path) -> None:
    """Exporting makes none."""
    assert secret_of(KeyFile(tmp_path / "none")) is None
    assert secret_of(user_key(ONE, {})) == bytes.fromhex(ONE)
