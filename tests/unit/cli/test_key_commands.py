"""The commands about keys: what they print, what they write, and how they end."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from mandala_cas.cli.main import main
from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.storage.keyring import default_key_path, read_secret, user_key
from mandala_cas.storage.trusted_keys import default_trusted_keys

BOB = "00112233445566778899aabbccddeeff"
OTHER = "0b" * 32

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user who has nothing yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_showing_makes_a_key_only_when_told(capsys: Capture) -> None:
    """Exit code 3 says that there is none."""
    assert main(["key", "show"]) == 3
    assert "no signing key yet" in capsys.readouterr().err
    assert not default_key_path().exists()

    assert main(["key", "show", "--make", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["key_id"] == str(user_key().key_id())
    assert shown["public_key"] == user_key().public_key.hex()
    assert shown["source"] == str(default_key_path())


def test_no_command_but_export_prints_the_secret(capsys: Capture) -> None:
    """What is printed ends up in logs."""
    main(["key", "show", "--make"])
    secret = read_secret(default_key_path()).hex()
    main(["key", "show", "--json"])
    main(["key", "list"])
    main(["key", "import", str(default_key_path())])

    captured = capsys.readouterr()
    assert secret not in captured.out + captured.err

    assert main(["key", "export", "-"]) == 0
    assert capsys.readouterr().out == f"{secret}\n"


def test_a_key_is_exported_to_a_new_private_file(tmp_path: Path, capsys: Capture) -> None:
    """A file that is there stays what it is."""
    assert main(["key", "export", str(tmp_path / "out")]) == 3
    main(["key", "show", "--make"])

    assert main(["key", "export", str(tmp_path / "out")]) == 0

    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    assert read_secret(tmp_path / "out") == read_secret(default_key_path())
    (tmp_path / "taken").write_text("mine")
    capsys.readouterr()
    assert main(["key", "export", str(tmp_path / "taken")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_importing_takes_a_key_and_does_not_replace_another(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losing the one that signed everything so far must take more than a slip."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{OTHER}\n"))
    assert main(["key", "import", "-"]) == 0
    assert read_secret(default_key_path()).hex() == OTHER
    old_id = user_key().key_id()
    new = tmp_path / "new"
    new.write_text("0c" * 32)

    assert main(["key", "import", str(new)]) == 2
    assert "--replace" in capsys.readouterr().err
    assert read_secret(default_key_path()).hex() == OTHER

    assert main(["key", "import", str(new), "--replace"]) == 0
    assert read_secret(default_key_path()).hex() == "0c" * 32
    assert f"mandala-cas key trust {old_id}" in capsys.readouterr().out
    (kept,) = default_key_path().parent.glob("key-*.old")
    assert read_secret(kept).hex() == OTHER


@pytest.mark.parametrize("text", ["", "no key", "0c" * 31])
def test_what_is_no_key_is_not_imported(tmp_path: Path, capsys: Capture, text: str) -> None:
    """And not repeated."""
    (tmp_path / "file").write_text(text)

    assert main(["key", "import", str(tmp_path / "file")]) == 2

    printed = capsys.readouterr().err
    assert "is no signing key" in printed
    assert not text or text not in printed.replace("no signing key", "")
    assert not default_key_path().exists()


def test_a_file_that_is_not_there_is_exit_code_2(tmp_path: Path, capsys: Capture) -> None:
    """A foreign error would be a stack trace."""
    assert main(["key", "import", str(tmp_path / "none")]) == 2

    assert "No such file" in capsys.readouterr().err


def test_importing_beside_the_environment_warns(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key would be there, and not be used."""
    (tmp_path / "file").write_text(OTHER)
    monkeypatch.setenv("MANDALA_CAS_KEY", "0d" * 32)

    assert main(["key", "import", str(tmp_path / "file")]) == 0

    assert "MANDALA_CAS_KEY is set" in capsys.readouterr().err
    assert main(["key", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "MANDALA_CAS_KEY"


def test_keys_are_trusted_listed_and_revoked(capsys: Capture) -> None:
    """As storage.trust, trusted and revoke do it."""
    assert main(["key", "trust", BOB, "--name", "bob"]) == 0
    assert capsys.readouterr().out == f"trusted key {BOB} of bob\n"
    assert main(["key", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(key["key_id"], key["name"], key["revoked"]) for key in listed["keys"]] == [
        (BOB, "bob", None)
    ]

    assert main(["key", "revoke", "bob", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["revoked"] is not None
    (key,) = default_trusted_keys().all()
    assert key.revoked_us is not None
    assert main(["key", "list"]) == 0
    assert BOB in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["trust", "bob"], UsageError.code),
        (["trust", BOB[:16]], NotFoundError.code),
        (["revoke", BOB], NotFoundError.code),
    ],
)
def test_errors_are_exit_codes(arguments: list[str], code: str) -> None:
    """Scripts tell a typing error from a key that is not known."""
    assert main(["key", *arguments]) == {"usage": 2, "not-found": 3}[code]


def test_every_command_has_help(capsys: Capture) -> None:
    """``key --help`` lists them, and each explains itself."""
    for command in ([], *([name] for name in ("show", "export", "import", "trust", "revoke"))):
        with pytest.raises(SystemExit) as stopped:
            main(["key", *command, "--help"])
        assert stopped.value.code == 0

    assert "KEY_ID" in capsys.readouterr().out
