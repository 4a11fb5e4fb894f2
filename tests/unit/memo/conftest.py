"""Fixtures for the tests of the memoizer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mandala_cas.memo.context import enter, leave

# Tests are no package, so a module beside them is found only by its folder.
sys.path.insert(0, str(Path(__file__).parent))
from fake_book import FakeBook


@pytest.fixture
def book() -> FakeBook:
    """Return a book with nothing on record; nothing goes to it yet."""
    return FakeBook()


@pytest.fixture
def entered(book: FakeBook) -> Iterator[FakeBook]:
    """Send the calls of the test to ``book``."""
    session = enter(book)
    yield book
    leave(session)
