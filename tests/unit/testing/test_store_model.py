"""The reference model: what is reviewed harder than the code that it checks."""

from __future__ import annotations

import pytest

from mandala_cas.testing import ModelCall, StoreModel

LOAD = ModelCall("load", outputs=frozenset({"rows"}))
TRAIN = ModelCall("train", inputs=frozenset({"rows", "depth"}), outputs=frozenset({"model"}))


@pytest.fixture
def model() -> StoreModel:
    """Return an empty store that two processes have open."""
    model = StoreModel()
    model.reopen("a")
    model.reopen("b")
    return model


def keys(model: StoreModel, name: str | None = None) -> list[str]:
    """Return the calls that a process sees, or that count."""
    records = model.live() if name is None else model.visible(name)
    return sorted(call.key for call in records.values())


def commit(model: StoreModel, name: str, *calls: ModelCall) -> None:
    """Make calls and commit them."""
    for call in calls:
        model.call(name, call)
    model.commit(name)


def test_a_call_is_seen_by_its_own_process_at_once_and_by_others_when_they_look(
    model: StoreModel,
) -> None:
    """Committed first."""
    model.call("a", LOAD)
    before = keys(model, "a"), keys(model, "b"), keys(model)

    model.commit("a")
    committed = keys(model, "b"), keys(model)
    model.refresh("b")

    assert before == (["load"], [], [])
    assert committed == ([], ["load"])
    assert keys(model, "b") == ["load"]


def test_a_call_on_record_is_not_computed_again(model: StoreModel) -> None:
    """Unless the record is one that the process has not seen."""
    assert model.call("a", LOAD)
    assert not model.call("a", LOAD)
    model.commit("a")

    assert model.call("b", LOAD)
    model.commit("b")

    assert keys(model) == ["load", "load"]


def test_a_crash_takes_what_was_not_committed(model: StoreModel) -> None:
    """And nothing else."""
    commit(model, "a", LOAD)
    model.call("a", TRAIN)

    model.crash("a")
    model.reopen("a")

    assert keys(model, "a") == ["load"]


def test_a_drop_names_what_was_seen_and_nothing_else(model: StoreModel) -> None:
    """Another machine's record of the same call stays; a new one is not dead at birth."""
    commit(model, "a", LOAD)
    commit(model, "b", LOAD)

    model.drop("a", ["load"])
    after_one = keys(model)
    model.drop("b", ["load"])
    after_both = keys(model)
    model.refresh("a")
    commit(model, "a", LOAD)

    assert (after_one, after_both) == (["load"], [])
    assert keys(model) == ["load"]


def test_a_live_call_needs_its_inputs_and_outputs(model: StoreModel) -> None:
    """And a collection takes what none does."""
    commit(model, "a", LOAD, TRAIN)
    nothing = model.collect()

    model.drop("a", ["train"])

    assert nothing == set()
    assert model.needed() == {"rows"}
    assert model.collect() == {"model", "depth"}
    assert model.collect() == set()
    assert model.readable() == {"rows"}


def test_a_tag_keeps_values_without_their_calls(model: StoreModel) -> None:
    """Until it is taken away."""
    commit(model, "a", LOAD, TRAIN)
    model.tag("paper", ["model"])
    model.drop("a", ["load", "train"])

    assert model.collect() == {"rows", "depth"}
    model.untag("paper")
    model.untag("never")
    assert model.collect() == {"model"}


def test_evicting_frees_bytes_and_forgets_nothing(model: StoreModel) -> None:
    """The record stays; the value comes back."""
    commit(model, "a", LOAD)

    model.evict(["rows"])
    evicted = [model.needed(), model.readable()]
    model.restore(["rows"])

    assert evicted == [{"rows"}, set()]
    assert model.readable() == {"rows"}
    assert keys(model) == ["load"]


def test_compaction_changes_nothing(model: StoreModel) -> None:
    """Nothing that anybody can see."""
    commit(model, "a", LOAD)
    before = keys(model), model.readable(), set(model.tombstones)

    model.compact()

    assert (keys(model), model.readable(), set(model.tombstones)) == before
