"""Fixtures for the tests of frames."""

from __future__ import annotations

import pytest
from tests.unit.frame.recorded_calls import RecordedCalls, chain_of
from tests.unit.frame.tutorial_calls import Tutorial


@pytest.fixture
def tutorial() -> Tutorial:
    """Return the tutorial with its first three trainings on record."""
    tutorial = Tutorial()
    tutorial.train_three()
    return tutorial


@pytest.fixture
def chain() -> RecordedCalls:
    """Return ``x = inc(x)``, six times from 0 on."""
    return chain_of(6)
