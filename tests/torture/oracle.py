"""What must be true of a store after all that was done to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tests.torture.cast import acknowledged, executed, expected, made
from tests.torture.ledger import Ledgers, Task

from mandala_cas.imports import Storage
from mandala_cas.log.part import LogPart
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import TagTarget, TombstoneReason
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.layout import BLOBS, PACKS, RUN_PARTS

PAYLOAD = (PACKS, BLOBS, RUN_PARTS)


@dataclass(slots=True)
class Verdict:
    """What was counted.

    ``made_again`` are acknowledged calls that had to be made again, ``missed`` how often a process
    met one, ``lost_count`` how many records the store itself hid because of a place that was lost,
    whether or not the call was recorded again with another one.
    """

    acknowledged_count: int = 0
    returned_count: int = 0
    dropped_count: int = 0
    tagged_count: int = 0
    untaggable_count: int = 0
    lost_count: int = 0
    missed: int = 0
    collected_count: int = 0
    retired_count: int = 0
    made_again: list[Task] = field(default_factory=list)
    returned_again: list[Task] = field(default_factory=list)

    def __str__(self) -> str:
        """Return a line."""
        return (
            f"{self.acknowledged_count} acknowledged, {self.returned_count} only returned, "
            f"{self.dropped_count} dropped, {self.tagged_count} tagged, "
            f"{self.untaggable_count} gone before they were tagged; while it ran, "
            f"{self.collected_count} objects were collected, {self.retired_count} log objects "
            f"replaced, {self.missed} calls missed; made again: {len(self.made_again)} "
            f"acknowledged, {len(self.returned_again)} that only returned; {self.lost_count} "
            "records put anew or lost"
        )


def judge(open_store: Callable[[], Storage], ledgers: Ledgers) -> Verdict:
    """Check every promise, and return what was counted."""
    verdict = Verdict()
    verdict.collected_count = sum(int(words[0]) for words in ledgers.lines("collected"))
    verdict.retired_count = sum(int(words[0]) for words in ledgers.lines("compacted"))
    storage = open_store()
    check_dropped(storage, ledgers, verdict)
    check_calls(storage, ledgers, verdict)
    check_tags(storage, ledgers, verdict)
    # A compactor that died may have left a run whose parts were collected before it was there. The
    # next compaction replaces it, and the one after that deletes it.
    for _ in range(2):
        storage.compact(full=True, delay=0)
    report = storage.fsck("data")
    assert report.ok, str(report)
    # A dot is there once, and so is a call that was on record all the time.
    assert_no_dot_twice(storage)
    verdict.lost_count = lost_count(storage)
    check_quiescence(storage)
    storage.close()

    # Once more, from what is left: nothing has to be made again now.
    again, later = Verdict(), open_store()
    check_dropped(later, ledgers, again)
    check_calls(later, ledgers, again)
    check_tags(later, ledgers, again)
    assert (again.made_again, again.returned_again) == ([], [])
    assert later.fsck("data").ok
    later.close()
    return verdict


def check_dropped(storage: Storage, ledgers: Ledgers, verdict: Verdict) -> None:
    """Nothing that was dropped has come back."""
    hids = {bytes.fromhex(words[1]) for words in ledgers.lines("dropped")}
    verdict.dropped_count = len(hids)
    on_record = set(storage.tables().calls["hid"])
    assert len(on_record) == storage.tables().calls.height
    assert hids & on_record == set()


def check_calls(storage: Storage, ledgers: Ledgers, verdict: Verdict) -> None:
    """Every call that was acknowledged and nobody dropped is there, with its value."""
    tried = ledgers.numbers("tries")
    tasks = [task for task in acknowledged(ledgers) if task.number not in tried]
    verdict.acknowledged_count = len(tasks)
    verdict.missed = len(list(ledgers.lines("missed"))) + len(list(ledgers.lines("missing")))
    verdict.made_again = made_again(storage, tasks)
    # A call that returned in a block that did not end is in a journal. The journal has no bytes of
    # a value that was somewhere already; if that went meanwhile, the call is not recorded.
    done = {*tasks}
    returned = [
        task for task in ledgers.tasks("returned") if task.number not in tried and task not in done
    ]
    verdict.returned_count = len(returned)
    verdict.returned_again = made_again(storage, returned)


def made_again(storage: Storage, tasks: list[Task]) -> list[Task]:
    """Make calls, check their values, and return those that were computed."""
    found = []
    refs = []
    with storage:
        for task in tasks:
            executed.clear()
            refs.append(made(task))
            if executed:
                found.append(task)
        executed.clear()
        values = storage.unwrap(refs)
        # A value that is gone is made again when it is asked for.
        assert len(executed) == 0, "a call on record had no value"
    for task, value in zip(tasks, values, strict=True):
        assert np.array_equal(value, expected(task)), f"{task} has a wrong value"
    return found


def check_tags(storage: Storage, ledgers: Ledgers, verdict: Verdict) -> None:
    """What was tagged is there, also where its call was dropped; what was untagged is not."""
    tags = storage.tags()
    for task in ledgers.tasks("tagged"):
        verdict.tagged_count += 1
        (ref,) = tags[f"t{task.number}"]
        assert np.array_equal(storage.unwrap(ref), expected(task)), f"{task} has a wrong value"
    not_tagged = [*ledgers.numbers("untagged"), *ledgers.numbers("untaggable")]
    assert not tags.keys() & {f"t{number}" for number in not_tagged}
    verdict.untaggable_count = len(ledgers.numbers("untaggable"))


def check_quiescence(storage: Storage) -> None:
    """Collected twice, the store has what is needed, and nothing else."""
    for _ in range(2):
        storage.gc(dry_run=False, grace=0)

    assert storage.gc(dry_run=False, grace=0).deleted == ()
    objects = storage._parts.objects
    view = LogView(objects)
    view.refresh()
    assert not view.damaged
    parts = {part.name for run in view.runs.values() for part in run.parts}
    there = {info.name for prefix in PAYLOAD for info in objects.list(prefix)}
    places = places_of(view)
    wanted = {*parts}.union(*places.values())
    assert there <= wanted, f"not needed: {there - wanted}"
    assert parts <= there, f"not there: {parts - there}"
    # Of a value that was condemned and put again, the old place may be gone.
    unreadable = [content for content, names in places.items() if not names & {"", *there}]
    assert unreadable == []


def places_of(view: LogView) -> dict[ContentId, set[str]]:
    """Return where each value of a live call or a tag lies; an empty name is in the log."""
    parts = list(view.parts.values())
    places: dict[ContentId, set[str]] = {content: set() for content in used_contents(parts)}
    for part in parts:
        for row in range(part.values.row_count):
            value = part.value_record(row)
            if value.content_id in places:
                places[value.content_id].add(value.location)
    return places


def used_contents(parts: Sequence[LogPart]) -> set[ContentId]:
    """Return the values that live calls and tags name."""
    tombstones = {tombstone for part in parts for tombstone in part.tombstones}
    untags = {untag for part in parts for untag in part.untags}
    used = set()
    for part in parts:
        hidden = {row for tombstone in tombstones for row in part.rows_named_by(tombstone)}
        for row in {*range(part.calls.row_count)} - hidden:
            call = part.call_record(row)
            used |= {slot.content_id for slot in (*call.inputs, *call.outputs)}
        hidden = {row for untag in untags for row in part.tag_rows_named_by(untag)}
        for row in {*range(part.tags.row_count)} - hidden:
            tag = part.tag_record(row)
            if tag.target is TagTarget.REF:
                used.add(tag.content_id)
    return used


def assert_no_dot_twice(storage: Storage) -> None:
    """No record is in two parts of a view."""
    view = LogView(storage._parts.objects)
    view.refresh()
    dots = [part.dot(row) for part in view.parts.values() for row in range(part.calls.row_count)]
    assert len(dots) == len(set(dots))


def lost_count(storage: Storage) -> int:
    """Return how many records are hidden because their values were gone."""
    tombstones = {
        tombstone
        for part in storage._parts.view.parts.values()
        for tombstone in part.tombstones
        if tombstone.reason is TombstoneReason.LOST
    }
    return sum(tombstone.last - tombstone.first + 1 for tombstone in tombstones)
