"""Fixtures for the tests of the memoizer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.memo.context import enter, leave


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
