"""Environments: made once, made anew when what they are made of changes."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks import environments
from benchmarks.environments import EnvironmentNotMadeError, python_of

Install = Callable[[int], list[list[str]]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Return what puts an installer in place that only notes what it was asked for."""
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "joblib.txt").write_text("joblib==1\n")
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path / "peers")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    monkeypatch.setattr(venv, "create", lambda folder, **_: Path(folder).mkdir(exist_ok=True))

    def install_with(exit_code: int) -> list[list[str]]:
        """Put it in place."""
        asked: list[list[str]] = []

        def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            """Note the command."""
            asked.append(command)
            return subprocess.CompletedProcess(command, exit_code, "", "no such package\n")

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return install_with


def test_an_environment_is_made_once(install: Install) -> None:
    """Making one takes longer than a check."""
    asked = install(0)

    assert python_of("joblib") == python_of("joblib")
    assert len(asked) == 1
    assert asked[0][-1].endswith("joblib.txt")


def test_other_requirements_make_it_anew(install: Install, tmp_path: Path) -> None:
    """A pin that was raised must not be measured at the old version."""
    asked = install(0)
    python_of("joblib")

    (tmp_path / "peers" / "joblib.txt").write_text("joblib==2\n")
    python_of("joblib")

    assert len(asked) == 2


def test_one_that_did_not_install_is_tried_again(install: Install) -> None:
    """Half an environment must not pass for a whole one."""
    install(1)
    with pytest.raises(EnvironmentNotMadeError, match="no such package"):
        python_of("joblib")

    asked = install(0)
    python_of("joblib")

    assert len(asked) == 1


def test_what_lies_there_is_ignored(install: Install, tmp_path: Path) -> None:
    """Neither git nor a linter has any business in other people's packages."""
    install(0)
    python_of("joblib")

    assert (tmp_path / "made" / ".gitignore").read_text() == "*\n"
