"""Frames as users meet them: the numbers of the tutorial, names, expanding, errors."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.unit.frame.recorded_calls import RecordedCalls, chain_of
from tests.unit.frame.tutorial_calls import Tutorial

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.frame.computation_frame import ComputationFrame
from mandala_cas.frame.construct import frame_of
from mandala_cas.model.ids import HistoryId
from mandala_cas.model.refs import Ref

TRAINING = "train_model(X_train=X_train, n_estimators=n_estimators, y_train=y_train)"


def counts(frame: ComputationFrame) -> tuple[int, int, int, int]:
    """Return the numbers of variables, refs, operations and calls."""
    refs = set().union(*frame.refs_by_var().values())
    calls = set().union(*frame.calls_by_func().values())
    return len(frame.vnames), len(refs), len(frame.fnames), len(calls)


def last_ref(store: RecordedCalls) -> HistoryId:
    """Return the history id of the first output of the latest call."""
    return list(store.records.values())[-1].outputs[0].history_id


class TestTutorial:
    """The numbers of section 8 of the semantics."""

    def test_the_frame_of_an_op_prints_as_in_the_tutorial(self, tutorial: Tutorial) -> None:
        """Counts, then outputs with their labels, then inputs by name."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")

        assert repr(frame).splitlines() == [
            "ComputationFrame with:",
            "    5 variable(s) (10 unique refs)",
            "    1 operation(s) (3 unique calls)",
            "Computational graph:",
            f"    var_0@output_0, var_1@output_1 = {TRAINING}",
        ]

    def test_expanding_adds_what_the_tutorial_says(self, tutorial: Tutorial) -> None:
        """Back, forward, both; and the frame that was expanded stays as it was."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")
        renamed = frame.rename(vars={"var_0": "model", "var_1": "train_acc"})

        assert counts(renamed.expand_back(["X_train", "y_train"])) == (6, 11, 2, 4)
        assert counts(renamed.expand_forward(["model", "train_acc"])) == (6, 13, 2, 6)
        assert counts(renamed.expand_all()) == (7, 14, 3, 7)
        assert counts(renamed) == (5, 10, 1, 3)
        assert repr(renamed.expand_all()).splitlines()[4:] == [
            "    X_train@output_0, y_train@output_2 = generate_dataset(random_seed=random_seed)",
            f"    model@output_0, train_acc@output_1 = {TRAINING}",
            "    var_0@output_0 = eval_model(model=model)",
        ]

    def test_heterogeneous_calls_come_with_nulls(self, tutorial: Tutorial) -> None:
        """Calls without an argument, and models without an evaluation, keep their rows."""
        tutorial.train_four_more()
        frame = ComputationFrame.from_op(tutorial.store, "train_model").expand_all()
        renamed = frame.rename(vars={"var_0": "model", "var_1": "train_acc", "var_2": "eval_acc"})

        table = renamed.df(lazy_vars=["X_train", "y_train"])

        assert len(table) == 7
        nulls = {"eval_model": 4, "eval_acc": 4, "max_depth": 3, "n_estimators": 1, "model": 0}
        assert {name: int(table[name].isna().sum()) for name in nulls} == nulls
        assert all(isinstance(ref, Ref) for ref in table["X_train"])
        best = table.query("train_acc > 0.7 and max_depth == 2").model.tolist()
        assert sorted(map(repr, best)) == [
            "Model({'n_estimators': 10, 'max_depth': 2})",
            "Model({'n_estimators': 100, 'max_depth': 2})",
        ]
        assert "train_model" in table.to_markdown()

    def test_dropped_calls_are_gone(self, tutorial: Tutorial) -> None:
        """A frame that was made before sees the storage as it is when it is asked."""
        tutorial.train_four_more()
        frame = ComputationFrame.from_op(tutorial.store, "train_model").expand_all()
        for call in frame.df().query("var_1 < 0.8").train_model:
            tutorial.store.drop(call)

        assert len(frame.df()) == 5
        assert counts(frame.expand_all())[3] == 9


def test_an_op_that_was_never_called_gives_an_empty_frame(tutorial: Tutorial) -> None:
    """A notebook whose first cell asks before anything ran is no error."""
    frame = ComputationFrame.from_op(tutorial.store, "never")

    assert counts(frame) == (0, 0, 1, 0)
    assert frame.df().empty
    assert "never()" in repr(frame)


def test_frames_can_be_made_of_whatever_is_at_hand(chain: RecordedCalls) -> None:
    """Refs, history ids in either form, calls, and dicts; an op is the storage's business."""
    call = next(iter(ComputationFrame.from_op(chain, "inc").calls_by_func()["inc"]))
    ref = next(iter(call.outputs.values()))

    for source in (ref, [ref], ref.hid, [ref.history_id]):
        assert frame_of(chain, source).refs_by_var() == {"v": {ref}}
    assert frame_of(chain, {"here": ref, "there": [ref]}).refs_by_var() == {
        "here": {ref},
        "there": {ref},
    }
    assert frame_of(chain, call).calls_by_func() == {"inc": {call}}
    assert frame_of(chain, []).vnames == {"v"}


@pytest.mark.parametrize("what", [3, [3], "not a history id"])
def test_what_is_no_source_of_a_frame_is_refused(chain: RecordedCalls, what: Any) -> None:
    """The message says what would be one."""
    with pytest.raises(UsageError):
        frame_of(chain, what)


def test_a_ref_of_another_storage_is_not_found(chain: RecordedCalls) -> None:
    """Codes are looked up, never guessed."""
    with pytest.raises(NotFoundError, match="no live call has the ref 0000"):
        frame_of(chain, HistoryId(bytes(16)))


def test_outputs_are_printed_in_order_of_return() -> None:
    """As one would write the call; inputs, which have names, by name."""
    store = RecordedCalls()
    store.call("fit", {"y": 1, "x": 2}, {"model": "m", "accuracy": 0.5})

    frame = ComputationFrame.from_op(store, "fit")

    assert repr(frame).endswith("    model@model, accuracy@accuracy = fit(x=x, y=y)")
    assert list(frame.nodes) == ["x", "y", "fit", "model", "accuracy"]


class TestNames:
    """Names of nodes are fresh, stable, and can be changed."""

    def test_a_variable_yields_to_an_op_of_its_name(self) -> None:
        """Variables and functions share one namespace."""
        store = RecordedCalls()
        store.call("accuracy", {"accuracy_0": 1}, {"accuracy": 0.5})

        frame = ComputationFrame.from_op(store, "accuracy")

        assert frame.vnames == {"accuracy_0", "accuracy_1"}
        assert repr(frame).endswith("accuracy_1@accuracy = accuracy(accuracy_0=accuracy_0)")

    def test_a_name_that_was_freed_is_used_again(self, tutorial: Tutorial) -> None:
        """``var_0`` names the smallest generic output that is free."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")

        assert "var_2" in frame.expand_all().vnames
        assert "var_0" in frame.rename(vars={"var_0": "model"}).expand_all().vnames

    def test_two_variables_can_swap_names(self, tutorial: Tutorial) -> None:
        """Renaming is simultaneous."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")

        swapped = frame.rename(vars={"var_0": "var_1", "var_1": "var_0"})

        assert swapped.refs_by_var()["var_0"] == frame.refs_by_var()["var_1"]
        assert ("train_model", "var_0", "output_1") in swapped.edges()

    def test_a_function_can_be_renamed(self, tutorial: Tutorial) -> None:
        """The node gets another name; its calls are still of the op."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")

        renamed = frame.rename(funcs={"train_model": "fit"})

        assert {call.op.name for call in renamed.calls_by_func()["fit"]} == {"train_model"}

    @pytest.mark.parametrize("vars_", [{"var_0": "var_1"}, {"var_0": "x", "var_1": "x"}])
    def test_a_taken_name_is_refused(self, tutorial: Tutorial, vars_: dict[str, str]) -> None:
        """Silently merging two variables would lose one of them."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")

        with pytest.raises(UsageError, match="two nodes would be called"):
            frame.rename(vars=vars_, inplace=True)
        assert "var_0" in frame.vnames

    def test_an_unknown_name_suggests_near_ones(self, tutorial: Tutorial) -> None:
        """A typo is the likely reason."""
        frame = ComputationFrame.from_op(tutorial.store, "train_model")

        for ask in (
            lambda: frame["X_trian"],
            lambda: frame.df("X_trian"),
            lambda: frame.df(lazy_vars="X_trian"),
            lambda: frame.expand_back("X_trian"),
            lambda: frame.rename(vars={"X_trian": "x"}),
        ):
            with pytest.raises(NotFoundError, match="near it: X_train") as caught:
                ask()
            assert caught.value.name == "X_trian"
        with pytest.raises(NotFoundError, match="there are: "):
            frame.rename(vars={"train_model": "fit"})


def test_selecting_keeps_elements_and_the_edges_between(tutorial: Tutorial) -> None:
    """The part of the graph, nothing more."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model").expand_all()

    part = frame[["train_model", "var_0", "random_seed"]]

    assert part.edges() == [("train_model", "var_0", "output_0")]
    assert repr(part).splitlines()[4:] == [
        "    random_seed",
        "    var_0@output_0 = train_model()",
    ]
    assert part.sources == {"random_seed"}
    assert part.sinks == {"random_seed", "var_0"}
    assert frame["var_0"].nodes == {"var_0"}


def test_in_place_changes_this_object_and_no_other(tutorial: Tutorial) -> None:
    """Frames share no mutable state."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")
    twin = frame.copy()

    assert frame.expand_all(inplace=True) is None
    assert frame.expand_back(inplace=True) is None
    assert frame.expand_forward(inplace=True) is None

    assert counts(frame) == (7, 14, 3, 7)
    assert counts(twin) == (5, 10, 1, 3)


class TestChain:
    """``x = inc(x)``: a cycle in the graph, a chain in the calls."""

    def test_recursion_finds_all_of_it(self, chain: RecordedCalls) -> None:
        """Mandala stops when the number of nodes stops growing, two calls in."""
        frame = ComputationFrame.from_refs(chain, last_ref(chain)).expand_back(recursive=True)

        assert counts(frame) == (2, 7, 1, 6)
        assert repr(frame).splitlines()[4:] == ["    (v | x)@output_0 = inc(x=x)"]

    def test_a_step_without_recursion_is_one_call(self, chain: RecordedCalls) -> None:
        """Step by step one sees the history grow."""
        frame = ComputationFrame.from_refs(chain, last_ref(chain))

        for step in range(1, 4):
            frame.expand_back(inplace=True)
            assert counts(frame)[3] == step

    def test_unrolled_it_has_a_function_for_each_call(self, chain: RecordedCalls) -> None:
        """Nothing is reused, so the graph has no cycle."""
        frame = ComputationFrame.from_refs(chain, last_ref(chain))

        unrolled = frame.expand_back(recursive=True, reuse_existing=False)

        assert counts(unrolled) == (7, 7, 6, 6)

    def test_rows_hold_collections(self, chain: RecordedCalls) -> None:
        """A cell with several refs holds them in the order of their history ids."""
        frame = ComputationFrame.from_refs(chain, last_ref(chain)).expand_all()

        (row,) = frame.df().to_dict("records")

        assert sorted(row["x"]) == [0, 1, 2, 3, 4, 5]
        assert row["v"] == 6
        refs = frame.df(values="refs")["x"][0]
        assert [ref.hid for ref in refs] == sorted(ref.hid for ref in refs)
        assert [c.hid for c in row["inc"]] == sorted(c.hid for c in row["inc"])

    def test_a_long_chain_works(self) -> None:
        """Nothing recurses, and histories double their reach instead of walking."""
        store = chain_of(2000)

        frame = ComputationFrame.from_refs(store, last_ref(store)).expand_all()

        assert counts(frame) == (2, 2001, 1, 2000)
        assert len(frame.df()["x"][0]) == 2000
        assert len(frame.df("x")) == 2000

    def test_histories_too_long_to_write_down_are_refused(self) -> None:
        """Every row of a chain repeats all that came before: the square of its length."""
        frame = ComputationFrame.from_op(chain_of(300), "inc").expand_all()

        with pytest.raises(UsageError, match=r"more than 30,000 elements together.*df\('x'\)"):
            frame.df(max_rows=3_000)


def test_constants_are_told_apart_by_their_label() -> None:
    """Seeds and layer counts are equal numbers, and still two variables; mandala glues them."""
    store = RecordedCalls()
    for seed in range(5):
        (data,) = store.call("gen", {"seed": seed}, [f"data {seed}"])
        store.call("train", {"X": data, "layers": seed % 3}, [f"model {seed}"])
    frame = ComputationFrame.from_op(store, "train")

    assert ("seed", "gen", "seed") in frame.expand_back().edges()
    assert ("layers", "gen", "seed") in frame.expand_back(reuse_existing="values").edges()


def test_elements_of_a_list_share_one_label() -> None:
    """However long the list is, the function has one edge for its elements."""
    store = RecordedCalls()
    (item,) = store.call("inc", {"x": 1}, [2])
    (items,) = store.call("__make_list__", {"elts_0": item, "elts_1": 5}, {"list": [2, 5]})

    frame = ComputationFrame.from_refs(store, items).expand_back(recursive=True)

    assert "v@list = __make_list__(elts=elts)" in repr(frame)
    assert "elts@output_0 = inc(x=x)" in repr(frame)
    (row,) = frame.df().to_dict("records")
    assert sorted(row["elts"]) == [2, 5]


def test_elements_count_one_by_one_or_the_last_of_them() -> None:
    """Two lists of the same elements in two orders: mandala's rule takes them for different."""
    store = RecordedCalls()
    first, second = store.constant("a"), store.constant("b")
    for elements in ((first, second), (second, first)):
        named = {f"elts_{i}": ref for i, ref in enumerate(elements)}
        store.call("__make_list__", named, {"list": repr(elements)})
    frame = ComputationFrame.from_vars(store, {"u": first, "v": second})

    unrolled, by_last = (frame.expand_forward(reuse_existing=reuse) for reuse in (False, "values"))

    assert unrolled.edges()[1:] == [("u", "__make_list__", "elts"), ("v", "__make_list__", "elts")]
    assert by_last.edges()[1:] == unrolled.edges()[1:]


def test_inputs_met_going_forward_are_added_if_asked_for(tutorial: Tutorial) -> None:
    """By default ``eval_model`` shows the model only, as in the tutorial."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")

    bare, full = (frame.expand_forward(with_inputs=flag) for flag in (False, True))

    assert "eval_model(model=var_0)" in repr(bare)
    assert "eval_model(X_test=X_test, model=var_0, y_test=y_test)" in repr(full)


def test_calls_that_are_shown_already_can_be_skipped(tutorial: Tutorial) -> None:
    """A ref in two variables would otherwise tie its creator to both."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model").expand_all()
    seen = frame.refs_by_var()
    twice = ComputationFrame.from_op(tutorial.store, "generate_dataset")["var_0"]
    assert twice.refs_by_var()["var_0"] == seen["X_train"]
    whole = ComputationFrame.from_op(tutorial.store, "generate_dataset").expand_forward(
        "var_0", skip_existing=True
    )

    again = whole.expand_forward("var_2", skip_existing=True)

    assert "train_model" in whole.fnames
    assert counts(again) == counts(whole)
    assert again.edges() == whole.edges()
    assert ("var_2", "train_model", "y_train") in whole.expand_forward("var_2").edges()


def test_verbose_says_what_was_added(tutorial: Tutorial, caplog: pytest.LogCaptureFixture) -> None:
    """The library logs; it never prints."""
    caplog.set_level(logging.INFO, logger="mandala_cas.frame")
    frame = ComputationFrame.from_op(tutorial.store, "train_model")

    frame.expand_back(verbose=True).expand_all(verbose=True).df(verbose=True)

    assert caplog.messages[:2] == [
        "expand_back added 1 call(s), 1 ref(s), nodes: generate_dataset, random_seed",
        "expand_all added 3 call(s), 3 ref(s), nodes: eval_model, var_2",
    ]
    assert caplog.messages[2].startswith("df has 3 row(s) and columns ['random_seed', ")
