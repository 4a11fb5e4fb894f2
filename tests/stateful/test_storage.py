"""Whatever some processes do to a store, they see what the model says."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.stateful.journaled_machine import JournaledMachine
from tests.stateful.memories import open_kept_memory
from tests.stateful.processes import PACKED_MAX
from tests.stateful.storage_machine import StorageMachine

# Long histories find what short ones do not, and take as much longer.
_STEPS = 100 if os.environ.get("MANDALA_THOROUGH") else 30
# A history is thirty examples' worth of work.
_EXAMPLES = max(25, settings.default.max_examples // 6) if settings.default else 25


@pytest.mark.parametrize("machine", [StorageMachine, JournaledMachine])
def test_a_store_answers_as_the_model_does(
    machine: type[StorageMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls, drops, tags, upkeep, damage, crashes and late looks, in any order."""
    monkeypatch.setattr("mandala_cas.blobs.tiers.PACK_VALUE_MAX", PACKED_MAX)
    monkeypatch.setattr("mandala_cas.storage.elsewhere.open_other_store", open_kept_memory)

    run_state_machine_as_test(
        machine, settings=settings(stateful_step_count=_STEPS, max_examples=_EXAMPLES)
    )
