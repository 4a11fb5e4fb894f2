"""Whatever two processes do to a store, they see what the model says."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.stateful.storage_machine import StorageMachine

# Long histories find what short ones do not, and take as much longer.
_STEPS = 100 if os.environ.get("MANDALA_THOROUGH") else 30
# A history is thirty examples' worth of work.
_EXAMPLES = max(20, settings.default.max_examples // 4) if settings.default else 20


def test_a_store_answers_as_the_model_does() -> None:
    """Calls, drops, commits, crashes and late looks, in any order."""
    run_state_machine_as_test(
        StorageMachine, settings=settings(stateful_step_count=_STEPS, max_examples=_EXAMPLES)
    )
