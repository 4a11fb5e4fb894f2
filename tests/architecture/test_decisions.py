"""Decisions have a number of their own, a known status, and every part."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("*.md"))
NAME = re.compile(r"(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
STATUS = re.compile(r"Status: (accepted|superseded by \d{4}), (\d{4}-\d{2}-\d{2})")
PARTS = ["## Context", "## Decision", "## Consequences", "## Alternatives"]
LINES_MAX = 150


def name_of(path: Path) -> str:
    """Return the file's name, for test ids."""
    return path.name


def test_numbers_are_unique_and_without_gaps() -> None:
    """A number is how people refer to a decision."""
    numbers = Counter(path.name.partition("-")[0] for path in DECISIONS)

    assert sorted(numbers) == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    assert set(numbers.values()) == {1}


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_a_decision_has_every_part(path: Path) -> None:
    """Without its alternatives a decision cannot be judged later."""
    lines = path.read_text("utf-8").splitlines()
    name = NAME.fullmatch(path.name)
    status = next((line for line in lines if line.startswith("Status:")), "")

    assert name is not None
    assert lines[0].startswith(f"# {name[1]}. ")
    assert STATUS.fullmatch(status), f"unknown status: {status!r}"
    assert [line for line in lines if line.startswith("## ")] == PARTS
    assert len(lines) <= LINES_MAX


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_what_supersedes_a_decision_exists(path: Path) -> None:
    """A reader who is sent on must arrive."""
    sent_to = re.findall(r"^Status: superseded by (\d{4})", path.read_text("utf-8"), re.MULTILINE)

    assert all(any(FOLDER.glob(f"{number}-*.md")) for number in sent_to)
