"""Progress is for people: late, on standard error, and gone afterwards."""

from __future__ import annotations

import io
import sys

import pytest

from mandala_cas.model.reporter import NoProgress
from mandala_cas.storage import notices
from mandala_cas.storage.notices import PeopleReporter


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


def test_a_program_sees_no_bar() -> None:
    """Logs of a batch job must not fill with bars."""
    progress = PeopleReporter().progress("Verifying", 10, "objects")

    assert isinstance(progress, NoProgress)


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flicker tells nobody anything."""
    terminal = become_terminal(monkeypatch)

    with notices._Bar("Verifying", 2, "objects", clock=Clock()) as bar:
        bar.advance(1)
        bar.advance(1)

    assert terminal.getvalue() == ""


@pytest.mark.parametrize(("unit", "amount"), [("objects", "2/4"), ("bytes", "2/4")])
def test_long_work_shows_what_is_done(
    monkeypatch: pytest.MonkeyPatch, unit: str, amount: str
) -> None:
    """Somebody who waits wants to know for how long."""
    terminal = become_terminal(monkeypatch)
    clock = Clock()

    with notices._Bar("Verifying", 4, unit, clock=clock) as bar:
        clock.now = 2.0
        bar.advance(1)
        bar.advance(1)

    assert "Verifying" in terminal.getvalue()
    assert amount in terminal.getvalue()
