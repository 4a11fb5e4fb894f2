"""Where results came from, asked of a storage: inside blocks, after drops, by another process."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.unit.storage.round_trips import RoundTripStore

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.imports import Ref, Storage, op

NEVER = "00" * 16


@op
def gen(seed: int) -> list[int]:
    """Return what others work on."""
    return [seed] * 3


@op
def train(data: list[int], rate: float) -> tuple[int, float]:
    """Return two outputs."""
    return sum(data), rate


@op(version="2")
def evaluate(model: int) -> int:
    """Return a third generation."""
    return model + 1


@op
def outer(x: int) -> int:
    """Make a call of its own."""
    return evaluate(x) * 2


@pytest.fixture
def objects() -> RoundTripStore:
    """Return an empty object store that counts."""
    return RoundTripStore()


@pytest.fixture
def storage(objects: RoundTripStore) -> Storage:
    """Return a storage on it."""
    return Storage(objects)


def pipeline(storage: Storage, seed: int = 1) -> tuple[Ref, Ref, Ref, Ref]:
    """Make three calls; return their outputs."""
    with storage:
        data: Any = gen(seed)
        pair: Any = train(data, 0.5)
        score: Any = evaluate(pair[0])
    return data, *pair, score


def test_a_ref_leads_to_the_call_that_gave_it(storage: Storage) -> None:
    """With its inputs, so that one can go on from there."""
    data, model, rate, _ = pipeline(storage)

    call = storage.get_ref_creator(rate)

    assert call is not None
    assert (call.op.name, call.outputs["output_1"], call.inputs["data"]) == ("train", rate, data)
    assert storage.get_ref_creator(model.hid) == call


def test_a_constant_has_no_creator(storage: Storage) -> None:
    """It came from outside, whether asked by its ref or by its hid."""
    data, *_ = pipeline(storage)
    call = storage.get_ref_creator(data)
    assert call is not None
    seed = call.inputs["seed"]

    assert storage.get_ref_creator(seed) is None
    assert storage.get_ref_creator(seed.hid) is None
    assert storage.get_creators(seed) == []
    assert storage.get_consumers(seed) == [call]


def test_a_ref_is_known_as_long_as_something_has_it(storage: Storage) -> None:
    """Dropping its call alone leaves it as an input; dropping all makes it unknown."""
    data, *_ = pipeline(storage)
    storage.drop_calls(storage.get_creators(data))

    assert storage.get_ref_creator(data) is None
    assert storage.get_creators(data) == []
    assert storage.load_ref(data.hid, lazy=True) == data

    storage.drop_calls(storage.get_consumers(data))
    with pytest.raises(NotFoundError, match=data.hid):
        storage.get_ref_creator(data)
    with pytest.raises(NotFoundError, match=data.hid):
        storage.get_creators(data.hid)


def test_neighbours_come_each_once_in_the_order_of_their_start(storage: Storage) -> None:
    """So the same question has the same answer everywhere."""
    with storage:
        data: Any = gen(1)
        made: Any = [train(data, rate) for rate in (0.3, 0.1, 0.2)]
    refs = [ref for pair in reversed(made) for ref in pair]

    creators = storage.get_creators(refs)
    consumers = storage.get_consumers([data, data.hid])

    assert [call.outputs["output_0"] for call in creators] == [pair[0] for pair in made]
    assert consumers == creators
    assert [call.started for call in creators] == sorted(call.started for call in creators)


def test_calls_are_had_by_their_hids(storage: Storage, objects: RoundTripStore) -> None:
    """In the order asked for, from another storage's call as well."""
    *_, score = pipeline(storage)
    calls = [*storage.get_creators(score), *storage.cf("gen").calls_by_func()["gen"]]
    again = Storage(objects)

    found = again.mget_call([call.hid for call in calls])

    assert found == calls
    assert again.get_call(calls[0]).op == calls[0].op
    assert again.exists_call(calls[0].hid)
    assert not again.exists_call(NEVER)
    assert all(not ref.in_memory for call in found for ref in call.outputs.values())


def test_values_of_calls_come_in_one_batch(
    storage: Storage, objects: RoundTripStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls and refs there are."""
    monkeypatch.setattr("mandala_cas.blobs.tiers.INLINE_MAX", 0)
    data, *_, score = pipeline(storage)
    again = Storage(objects)
    hids = [call.hid for call in storage.get_creators([data, score])]
    objects.taken()

    calls = again.mget_call(hids, lazy=False)

    assert [len(names) for names in objects.taken()] == [4]
    assert [ref.value for call in calls for ref in call.outputs.values()] == [[1, 1, 1], 4]
    assert [ref.value for call in calls for ref in call.inputs.values()] == [1, 3]


def test_what_is_not_on_record_is_named(storage: Storage) -> None:
    """All of it: a list of hundreds is not to be searched by hand."""
    call = storage.get_ref_creator(pipeline(storage)[0])
    assert call is not None
    other = "11" * 16

    with pytest.raises(NotFoundError, match=f"2 of 3 calls .* {NEVER}") as caught:
        storage.mget_call([NEVER, call.hid, other])
    assert caught.value.details["hids"] == [NEVER, other]
    with pytest.raises(NotFoundError, match=f"no call {NEVER}"):
        storage.get_call(NEVER)
    with pytest.raises(NotFoundError, match=f"2 refs .* {NEVER}") as caught:
        storage.get_consumers([NEVER, other])
    assert caught.value.details["hids"] == [NEVER, other]
    with pytest.raises(NotFoundError, match=f"no ref {NEVER}"):
        storage.load_ref(NEVER)


@pytest.mark.parametrize(
    ("method", "argument", "message"),
    [
        ("get_call", 5, "a call is named by its hid or a Call, got int"),
        ("get_call", "xyz", "hexadecimal"),
        ("mget_call", 5, "calls are given as objects or hids, one or several, got int"),
        ("exists_call", None, "got NoneType"),
        ("get_ref_creator", 5, "a ref is named by its hid or a Ref, got int"),
        ("get_creators", [5], "got int"),
        ("get_consumers", 5, "refs are given as objects or hids, one or several, got int"),
        ("load_ref", 5, "a history id is a str, got int"),
        ("save_call", NEVER, "a Call is saved, got str"),
    ],
)
def test_what_names_nothing_is_a_usage_error(
    storage: Storage, method: str, argument: object, message: str
) -> None:
    """The message says what was expected."""
    with pytest.raises(UsageError, match=message):
        getattr(storage, method)(argument)


def test_everything_works_inside_a_block(storage: Storage) -> None:
    """What is not committed counts."""
    with storage:
        data: Any = gen(1)
        call = storage.get_ref_creator(data)

        assert call is not None
        assert storage.get_call(call.hid) == call
        assert storage.exists_call(call)
        assert storage.get_creators(data) == [call]
        assert storage.get_consumers(call.inputs["seed"]) == [call]
        assert storage.load_ref(data.hid).value == [1, 1, 1]
        assert storage.ops["gen"].call_count == 1
        assert storage.calls_df()["written"].isna().all()
        assert call.metadata.written is None
        assert call.metadata.process_id is not None
        assert len(storage.conflicts()) == 0
        assert storage.get_orphans() == set()
        assert storage.get_unreferenced_cids() == set()
        assert storage.cache_info().uncommitted.count == 1
        assert storage.in_context()


def test_ops_are_counted_by_version(storage: Storage) -> None:
    """And print as a table."""
    pipeline(storage)
    pipeline(storage, 2)
    with storage:
        outer(7)

    ops = storage.ops

    assert list(ops) == ["evaluate", "gen", "outer", "train"]
    assert {name: dict(found.versions) for name, found in ops.items()} == {
        "evaluate": {"2": 3},
        "gen": {"": 2},
        "outer": {"": 1},
        "train": {"": 2},
    }
    assert ops.to_dict()["evaluate"]["call_count"] == 3
    assert str(ops).splitlines()[2].split()[:3] == ["evaluate", "3", "2"]


def test_a_dataframe_has_a_row_for_each_call(storage: Storage) -> None:
    """With columns of types that one can compute with."""
    *_, score = pipeline(storage)
    with storage:
        outer(3)

    df = storage.calls_df()

    assert df["op"].tolist() == ["gen", "train", "evaluate", "outer", "evaluate"]
    assert df["version"].tolist() == ["", "", "2", "", "2"]
    creator = storage.get_ref_creator(score)
    assert creator is not None
    assert (df["hid"][2], df["cid"][2]) == (creator.hid, creator.cid)
    assert df["started"][2].to_pydatetime() == creator.started
    assert df["duration"][2].to_pytimedelta() == creator.duration
    assert df["parent"].isna().tolist() == [True, True, True, True, False]
    assert df["parent"][4] == df["hid"][3]
    assert df["reused_from"][4] == df["hid"][2]
    assert df["host"][0] == creator.metadata.host
    assert df["process_id"][0] == creator.metadata.process_id
    assert df["written"][0].to_pydatetime() == creator.metadata.written
    assert {name: str(df[name].dtype) for name in ("started", "duration", "hid", "git_dirty")} == {
        "started": "datetime64[us, UTC]",
        "duration": "timedelta64[us]",
        "hid": "string",
        "git_dirty": "boolean",
    }


def test_a_dataframe_of_no_calls_has_the_same_columns(storage: Storage) -> None:
    """A script that runs before there is anything must not fail."""
    empty = storage.calls_df()
    pipeline(storage)

    assert len(empty) == 0
    assert empty.dtypes.equals(storage.calls_df().dtypes)


def test_orphans_are_what_drops_leave(storage: Storage, objects: RoundTripStore) -> None:
    """Refs and values both, until garbage is collected and the log made anew."""
    data, model, rate, score = pipeline(storage)
    with storage:
        kept: Any = gen(5)
    storage.drop_calls(storage.get_creators(data), delete_dependents=True)

    orphans, unused = storage.get_orphans(), storage.get_unreferenced_cids()

    assert {ref.hid for ref in (data, model, rate, score)} <= orphans
    assert kept.hid not in orphans
    assert {ref.cid for ref in (data, model, rate, score)} <= unused
    assert kept.cid not in unused
    storage.compact(full=True, delay=0)
    later = Storage(objects)
    assert (later.get_orphans(), later.get_unreferenced_cids()) == (set(), set())


def test_what_a_tagged_call_has_is_kept(storage: Storage) -> None:
    """Also when it was dropped: a collector leaves it, so it must not be said to go."""
    data, *_ = pipeline(storage)
    (call,) = storage.get_creators(data)
    storage.tag("paper", call)

    storage.drop_calls(call, delete_dependents=True)

    assert data.hid in storage.get_orphans()
    assert data.cid not in storage.get_unreferenced_cids()
    assert storage.gc(grace=0).deleted == ()


def test_cleanup_collects_and_says_what_it_is_called(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """People come from mandala, and expect that something is removed."""
    with caplog.at_level(logging.INFO, "mandala_cas"):
        plan = storage.cleanup_refs()

    assert plan.carried_out
    assert "storage.gc(dry_run=False)" in caplog.text


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.get_call(NEVER),
        lambda s: s.mget_call([]),
        lambda s: s.exists_call(NEVER),
        lambda s: s.get_ref_creator(NEVER),
        lambda s: s.get_creators(NEVER),
        lambda s: s.get_consumers(NEVER),
        lambda s: s.ops,
        lambda s: s.calls_df(),
        lambda s: s.conflicts(),
        lambda s: s.get_orphans(),
        lambda s: s.get_unreferenced_cids(),
        lambda s: s.cleanup_refs(),
        lambda s: s.attach([]),
        lambda s: s.load_ref(NEVER),
        lambda s: s.save_ref(1),
        lambda s: s.save_call(None),
        lambda s: s.cache_info(),
        lambda s: s.clear_cache(),
        lambda s: s.preload(),
        lambda s: s.preload_calls(),
        lambda s: s.in_context(),
        lambda s: s.dump_config(),
    ],
)
def test_a_closed_storage_says_so(storage: Storage, ask: Any) -> None:
    """Also where an answer would be in memory still."""
    storage.close()

    with pytest.raises(UsageError, match="is closed; open the store again"):
        ask(storage)


def test_refs_and_calls_of_a_closed_storage_say_so(storage: Storage) -> None:
    """They outlive it in a notebook."""
    data, *_ = pipeline(storage)
    call = storage.get_ref_creator(data)
    assert call is not None
    storage.close()

    with pytest.raises(UsageError, match="is closed"):
        data.detached().get()
    with pytest.raises(UsageError, match="is closed"):
        _ = call.metadata
