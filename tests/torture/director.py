"""Starts processes on one store, and another for each one that is killed, until enough were.

``python -m tests.torture.director JSON``. It has one thread and forks: what is imported here, and
takes long, is there in every process at once.
"""

from __future__ import annotations

import json
import os
import random
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.torture.cast import ROLES, Player
from tests.torture.doom import doom
from tests.torture.ledger import Ledger, Ledgers

from mandala_cas.imports import Storage
from mandala_cas.index import tables as _tables
from mandala_cas.upkeep.collecting import collect as _collect
from mandala_cas.upkeep.compacting import compact as _compact

# Where nothing gets done, the tests say so; it does not go on for ever.
LIVES_PER_KILL = 10
# Imported so that no child has to.
PRELOADED = (_tables, _collect, _compact)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: where, by how many of each, until how many were killed.

    ``steps`` is how often each does what it does, if it is not killed before. ``needs`` are lines
    that there must be in the ledgers, so that chance does not make an empty evening of it.
    """

    place: str
    storage_options: dict[str, Any] | None
    folder: str
    seed: int
    cast: dict[str, int]
    kills: int
    needs: dict[str, int]
    steps: int = 6
    requests_max: int = 60
    cpu_max_s: float = 0.3


def play(plan: Plan, role: str, index: int, life: int) -> None:
    """Be one process: play a part until the end, or until the kill."""
    folder = Path(plan.folder)
    chance = random.Random(f"{plan.seed} {life}")  # noqa: S311 (no secrets)
    player = Player(
        role=role,
        index=index,
        life=life,
        chance=chance,
        ledgers=Ledgers(folder),
        ledger=Ledger(folder / f"{role}-{index}-{life:04}.ledger"),
        open=partial(Storage, plan.place, storage_options=plan.storage_options),
        steps=plan.steps,
    )
    doom(chance, requests_max=plan.requests_max, cpu_max_s=plan.cpu_max_s)
    ROLES[role](player)


def start(plan: Plan, role: str, index: int, life: int) -> int:
    """Start a process, and return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        play(plan, role, index, life)
        status = 0
    except BaseException:  # noqa: BLE001 (whatever it is, it is written down and the exit says so)
        path = Path(plan.folder, f"{role}-{index}-{life:04}.error")
        path.write_text(traceback.format_exc(), "utf-8")
    finally:
        # A child must not become a second director.
        os._exit(status)


def direct(plan: Plan) -> Counter[str]:
    """Start everybody, and start again who ended; return who was killed how often."""
    lives = 0
    is_over = False
    running: dict[int, tuple[str, int]] = {}
    killed: Counter[str] = Counter()
    waiting = [(role, index) for role, count in plan.cast.items() for index in range(count)]
    while waiting or running:
        for role, index in waiting:
            lives += 1
            running[start(plan, role, index, lives)] = role, index
        child, status = os.wait()
        role, index = running.pop(child)
        waiting = []
        if os.WIFSIGNALED(status):
            killed[role] += 1
        elif status != 0:
            # The others end by themselves; what happened is in the file.
            is_over = True
        is_over = is_over or lives > LIVES_PER_KILL * plan.kills
        if not is_over and (killed.total() < plan.kills or is_missing_something(plan)):
            waiting = [(role, index)]
    return killed


def is_missing_something(plan: Plan) -> bool:
    """Tell whether the ledgers lack lines that they must have."""
    ledgers = Ledgers(Path(plan.folder))
    return any(len(list(ledgers.lines(verb))) < count for verb, count in plan.needs.items())


if __name__ == "__main__":
    print(json.dumps(direct(Plan(**json.loads(sys.argv[1])))))  # noqa: T201 (its answer)
