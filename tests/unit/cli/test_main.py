"""The command line: the flag is wired, the exit code is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from mandala_cas._version import __version__
from mandala_cas.cli.exit_codes import exit_code_of
from mandala_cas.cli.main import main
from mandala_cas.errors import (
    CorruptionError,
    MandalaError,
    StoreUnavailableError,
    UsageError,
)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """People paste it into issues."""
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])

    assert capsys.readouterr().out == f"mandala-cas {__version__}\n"


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """It shows how to call it."""
    with pytest.raises(SystemExit, match="2"):
        main([])

    assert "usage: mandala-cas" in capsys.readouterr().err


def test_an_error_of_ours_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback helps nobody who named a wrong folder."""
    (tmp_path / "store").write_text("in the way")

    code = main(["demo", "--folder", str(tmp_path)])

    assert code == 2
    assert capsys.readouterr().err.startswith("mandala-cas: ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (CorruptionError("x"), 5),
        (StoreUnavailableError("x"), 8),
        (MandalaError("x"), 1),
    ],
)
def test_exit_codes_tell_what_to_do_next(error: MandalaError, code: int) -> None:
    """Scripts act on them, so they never change."""
    assert exit_code_of(error) == code
