"""Who is at work on one store at once: the situations that the protocol is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.concurrency.actors import (
    Ledger,
    Process,
    Wanted,
    again,
    collecting,
    compacting,
    follow,
    inline,
    loose,
    loose_too,
    packed,
    packed_too,
    reading,
    writing,
)
from tests.concurrency.promises import Scenario

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing.scheduler import Actor

INLINE: Final = Wanted(inline, 1)
PACKED: Final = Wanted(packed, 1)
PACKED_TOO: Final = Wanted(packed_too, 1)
LOOSE: Final = Wanted(loose, 1)
LOOSE_TOO: Final = Wanted(loose_too, 1)
OTHER: Final = Wanted(loose, 2)
OTHER_TOO: Final = Wanted(loose_too, 2)


def some_dropped(store: ObjectStore, ledger: Ledger) -> None:
    """Record calls of every tier and drop some: their payload is there, and needed by nobody."""
    process = Process(store, "before", ledger)
    for wanted in (INLINE, PACKED, LOOSE, OTHER):
        process.make(wanted)
    process.commit()
    process.drop(PACKED)
    process.drop(LOOSE)


def several_segments(store: ObjectStore, ledger: Ledger) -> None:
    """Record calls one by one, a drop among them."""
    process = Process(store, "before", ledger)
    for wanted in (INLINE, PACKED, OTHER):
        process.make(wanted)
        process.commit()
    process.drop(PACKED)


def one_value(ledger: Ledger) -> Mapping[str, Actor]:
    """One relies on a blob that nobody needs, one collects: as small as the race can be."""
    return {
        "writer": writing("writer", ledger, ("make", LOOSE_TOO)),
        "collector": collecting("collector"),
    }


def around_a_drop(ledger: Ledger) -> Mapping[str, Actor]:
    """One makes what was dropped, one drops what the first makes again, one collects."""
    return {
        "writer": writing(
            "writer",
            ledger,
            ("make", PACKED),
            ("make", LOOSE_TOO),
            "commit",
            ("make", OTHER_TOO),
            ("make", Wanted(follow, LOOSE)),
        ),
        "dropper": writing("dropper", ledger, ("drop", OTHER)),
        "collector": collecting("collector", times=2),
    }


def two_collectors(ledger: Ledger) -> Mapping[str, Actor]:
    """Two collect what one makes again, in two commits."""
    return {
        "writer": writing("writer", ledger, ("make", LOOSE), "commit", ("make", PACKED_TOO)),
        "one": collecting("one"),
        "two": collecting("two"),
    }


def shared_values(ledger: Ledger) -> Mapping[str, Actor]:
    """Two make equal values, drop their calls and make them again; one collects, one reads."""
    return {
        "v": writing(
            "v",
            ledger,
            ("make", PACKED),
            ("make", LOOSE),
            "commit",
            ("drop", LOOSE),
            ("make", LOOSE),
        ),
        "w": writing(
            "w", ledger, ("make", PACKED_TOO), ("make", LOOSE_TOO), "commit", ("drop", PACKED_TOO)
        ),
        "collector": collecting("collector", times=2),
        "reader": reading("reader", ledger),
    }


def results_of_others(ledger: Ledger) -> Mapping[str, Actor]:
    """One gives back as its own result what another one drops."""
    return {
        "writer": writing("writer", ledger, ("make", Wanted(again, OTHER)), "commit"),
        "dropper": writing("dropper", ledger, ("drop", OTHER)),
        "collector": collecting("collector", times=2),
    }


def tags(ledger: Ledger) -> Mapping[str, Actor]:
    """One tags and untags, one drops what is tagged, one collects."""
    return {
        "tagger": writing("tagger", ledger, ("tag", OTHER), ("tag", LOOSE), ("untag", LOOSE)),
        "dropper": writing("dropper", ledger, ("drop", OTHER)),
        "collector": collecting("collector", times=2),
    }


def two_compactors(ledger: Ledger) -> Mapping[str, Actor]:
    """Two merge and delete, one is late with its segments, one reads."""
    return {
        "one": compacting("one", times=2),
        "two": compacting("two"),
        "writer": writing("writer", ledger, ("make", LOOSE), ("drop", INLINE), ("make", INLINE)),
        "reader": reading("reader", ledger),
    }


def compactor_and_collector(ledger: Ledger) -> Mapping[str, Actor]:
    """Parts of a run lie there before anything names them, and one collects."""
    del ledger
    return {"compactor": compacting("compactor"), "collector": collecting("collector")}


def compactor_and_reader(ledger: Ledger) -> Mapping[str, Actor]:
    """One merges and deletes what another is about to list, or to read."""
    return {"compactor": compacting("compactor"), "reader": reading("reader", ledger)}


def everybody(ledger: Ledger) -> Mapping[str, Actor]:
    """One writes, one merges, one collects, one reads, all at once."""
    return {
        "writer": writing(
            "writer", ledger, ("make", LOOSE_TOO), "commit", ("drop", OTHER), ("make", OTHER_TOO)
        ),
        "compactor": compacting("compactor", times=2),
        "collector": collecting("collector"),
        "reader": reading("reader", ledger),
    }


ACTORS: Final = {
    actors.__name__: (prepare, actors)
    for prepare, actors in (
        (some_dropped, one_value),
        (some_dropped, around_a_drop),
        (some_dropped, two_collectors),
        (some_dropped, shared_values),
        (some_dropped, results_of_others),
        (some_dropped, tags),
        (several_segments, two_compactors),
        (several_segments, compactor_and_collector),
        (several_segments, compactor_and_reader),
        (some_dropped, everybody),
    )
}
# Two actors each: small enough for every schedule with one preemption.
SMALL: Final = ("one_value", "compactor_and_collector", "compactor_and_reader")


def scenario(name: str) -> Scenario:
    """Return a situation, prepared."""
    return Scenario(*ACTORS[name])
