"""Who uses the store while processes are killed: one function for each part that is played."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tests.torture.ledger import Ledger, Ledgers, Task

from mandala_cas.errors import NotFoundError
from mandala_cas.imports import Storage, op

# Inline, packed, and an object of its own.
SIZES = (10, 10, 10, 3_000, 3_000, 132_000)
# Few at a time, so that a value is often garbage in one moment, and relied on in the next; and
# others later, for in the end each value is one of a call that is kept.
CONTENTS = 3
LIVES_PER_CONTENT = 3
SHARED = 40
LOOKS_IN_LONG_BLOCK = 40
DROPPED_AT_ONCE = 60
executed: list[str] = []


@op(name="make")
def make(number: int, content: int, size: int) -> Any:
    """Return numbers that do not shrink; the number of the call makes no difference to them."""
    del number
    executed.append("make")
    return np.random.default_rng([content, size]).random(size)


@op(name="total")
def total(numbers: Any) -> float:
    """Use a value."""
    executed.append("total")
    return float(numbers.sum())


def made(task: Task) -> Any:
    """Make the call of a task."""
    return make(task.number, task.content, task.size)


def expected(task: Task) -> Any:
    """Return the value of a task."""
    return np.random.default_rng([task.content, task.size]).random(task.size)


@dataclass(frozen=True, slots=True)
class Player:
    """What one process is given: its part, its chance, its ledger and how to open the store."""

    role: str
    index: int
    life: int
    chance: random.Random
    ledgers: Ledgers
    ledger: Ledger
    open: Callable[..., Storage]
    steps: int


def write(player: Player) -> None:
    """Make calls in blocks; some of them others make as well, at the same time."""
    chance, ledger = player.chance, player.ledger
    storage = player.open(flush_after=chance.choice([0.0, 0.002, 1000.0]))
    number = player.life * 10_000
    for _ in range(player.steps):
        block = []
        for _ in range(chance.choice([1, 5, 25])):
            number += 1
            is_shared = chance.random() < 0.2
            task_number = -8 * chance.randrange(SHARED) - 8 if is_shared else number
            # What a call makes follows from its number, or a shared one would have two results.
            fixed = random.Random(task_number)  # noqa: S311 (no secrets)
            content = fixed.randrange(CONTENTS)
            if not is_shared:
                content += player.life // LIVES_PER_CONTENT
            task = Task(task_number, content, fixed.choice(SIZES))
            block.append(task)
        with storage:
            for task in block:
                ref = made(task)
                ledger.note("returned", task.number, task.content, task.size)
                if task.is_kept:
                    total(ref)
            # A long block: what it relies on may be dropped, announced and deleted meanwhile.
            for _ in range(chance.choice([0, 0, LOOKS_IN_LONG_BLOCK])):
                acknowledged(player.ledgers)
        for task in block:
            ledger.note("made", task.number, task.content, task.size)
        ledger.acknowledge("block")
    storage.close()


def compact(player: Player) -> None:
    """Merge what there is, and delete at once what a run covers."""
    storage = player.open()
    for _ in range(player.steps):
        report = storage.compact(delay=0, full=player.chance.random() < 0.5)
        if report.retired:
            player.ledger.note("compacted", len(report.retired))
    storage.close()


def collect(player: Player) -> None:
    """Delete everything that nothing uses, however young it is."""
    storage = player.open()
    for _ in range(player.steps):
        plan = storage.gc(dry_run=False, grace=0)
        if plan.deleted:
            player.ledger.note("collected", len(plan.deleted))
    storage.close()


def curate(player: Player) -> None:
    """Tag and drop calls that were acknowledged. There must be one curator at a time.

    Of two, one could make a call again that the other has just dropped.
    """
    chance, ledger = player.chance, player.ledger
    storage = player.open()
    for _ in range(player.steps):
        tried = player.ledgers.numbers("tries")
        tasks = [
            task
            for task in acknowledged(player.ledgers)
            if not task.is_kept and task.number not in tried
        ]
        storage.refresh()
        hids = {}
        for task in chance.sample(tasks, min(len(tasks), DROPPED_AT_ONCE)):
            ledger.note("tries", task.number)
            found = hids_of(storage, task)
            if found is None:
                ledger.acknowledge("missing", task.number, task.content, task.size)
                continue
            hids[task.number], ref_hid = found
            if chance.random() < 0.1:
                label(storage, player, task, ref_hid)
        storage.drop_calls(list(hids.values()))
        for number, call_hid in hids.items():
            ledger.note("dropped", number, call_hid)
        ledger.acknowledge("drops")
    storage.close()


def label(storage: Storage, player: Player, task: Task, ref_hid: str) -> None:
    """Tag a result, and perhaps take the tag off again.

    The call may be one that a process published and did not come to look at again before a
    collector took what it relied on: then there is nothing to tag, and the store says so.
    """
    name = f"t{task.number}"
    try:
        storage.tag(name, ref_hid)
    except NotFoundError:
        player.ledger.acknowledge("untaggable", task.number)
        return
    if player.chance.random() < 0.3:
        storage.untag(name)
        player.ledger.acknowledge("untagged", task.number)
    else:
        player.ledger.acknowledge("tagged", task.number, task.content, task.size)


def read(player: Player) -> None:
    """Find what was acknowledged, with its value, in a store opened for reading or not."""
    # Nobody can read a store that nobody has made yet.
    modes = ["r", "rw"] if acknowledged(player.ledgers) else ["rw"]
    storage = player.open(mode=player.chance.choice(modes))
    for _ in range(player.steps):
        tasks = [task for task in acknowledged(player.ledgers) if task.is_kept]
        tasks = player.chance.sample(tasks, min(len(tasks), 10))
        storage.refresh()
        with storage:
            executed.clear()
            refs = [made(task) for task in tasks]
            values = storage.unwrap(refs)
            for _ in executed:
                player.ledger.note("missed")
        for task, value in zip(tasks, values, strict=True):
            assert np.array_equal(value, expected(task)), f"{task} has a wrong value"
    storage.close()


ROLES: Mapping[str, Callable[[Player], None]] = {
    "writer": write,
    "compactor": compact,
    "collector": collect,
    "curator": curate,
    "reader": read,
}


def acknowledged(ledgers: Ledgers) -> list[Task]:
    """Return the tasks of all blocks that ended."""
    found: dict[Task, None] = {}
    for path in sorted(ledgers.folder.glob("writer-*.ledger")):
        waiting: list[Task] = []
        *lines, _ = path.read_text("ascii").split("\n")
        for line in lines:
            verb, *words = line.split(" ")
            if verb == "made":
                waiting.append(Task(*map(int, words)))
            elif verb == "block":
                found.update(dict.fromkeys(waiting))
                waiting = []
    return list(found)


def hids_of(storage: Storage, task: Task) -> tuple[str, str] | None:
    """Return the hids of a call on record and of its result; None if it is not there."""
    tables = storage.tables()
    executed.clear()
    with storage:
        ref = made(task)
    if executed:
        return None
    row = tables.refs["hid"].to_list().index(bytes.fromhex(ref.hid))
    slots = tables.slots
    (call,) = slots.filter((slots["ref"] == row) & slots["is_output"])["call"]
    return tables.calls["hid"][call].hex(), ref.hid
