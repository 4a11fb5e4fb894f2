"""Progress is for people: late, on standard error, and gone afterwards."""

from __future__ import annotations

import io
import sys

import pytest

from mandala_cas.storage.notices import ProgressBars


class Terminal(io.StringIO):
    """Standard error as a person sees it."""

    def isatty(self) -> bool:
        """Say that somebody looks."""
        return True


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def become_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in place of standard error; pytest undoes that between fixture and test."""
    found = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", found)
    return found


def test_a_program_sees_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs of a batch job must not fill with bars."""
    clock = Clock()

    with ProgressBars(clock=clock) as bars:
        clock.now = 2.0
        bars("Verifying", 1, 10)

    assert capsys.readouterr().err == ""


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flicker tells nobody anything."""
    terminal = become_terminal(monkeypatch)

    with ProgressBars(clock=Clock()) as bars:
        bars("Verifying", 1, 2)
        bars("Verifying", 2, 2)

    assert terminal.getvalue() == ""


def test_long_work_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who waits wants to know for how long."""
    terminal = become_terminal(monkeypatch)
    clock = Clock()

    with ProgressBars(clock=clock) as bars:
        clock.now = 2.0
        bars("Reading the log", 2, 4)
        bars("Reading payload", 1, 3)

    assert "Reading the log" in terminal.getvalue()
    assert "2/4" in terminal.getvalue()
    assert "1/3" in terminal.getvalue()
