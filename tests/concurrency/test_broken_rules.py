"""Each rule of the protocol, taken out of the code, is found missing by the interleavings.

Else they would prove nothing: the same actors, checks and seeds as where the rules are in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from tests.concurrency.scenarios import SMALL, scenario

from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import NotFoundError
from mandala_cas.log.announcements import decode_condemned, encode_condemned
from mandala_cas.log.listing import Listing
from mandala_cas.log.run import Run
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tier
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import COLLECTIONS, RUNS, SEGMENTS, parse_segment_name
from mandala_cas.testing import DepthFirst
from mandala_cas.upkeep.collecting.announcing import Crier
from mandala_cas.upkeep.collecting.collect import _Collection
from mandala_cas.values.batch import Held
from mandala_cas.values.recheck import Recheck
from mandala_cas.values.resettling import renewed

Patch = pytest.MonkeyPatch
Break = Callable[[Patch], None]


def look_at_nothing_after_publishing(patch: Patch) -> None:
    """Acknowledge as soon as the segment is there."""
    patch.setattr(Recheck, "look", lambda _: False)


def repair_under_the_same_name(patch: Patch) -> None:
    """Put a condemned blob again where it was, and take that as good."""
    look = Recheck.look
    repaired: set[int] = set()

    def look_once(recorder: Recheck) -> bool:
        if id(recorder) in repaired:
            repaired.discard(id(recorder))
            return False
        if look(recorder):
            repaired.add(id(recorder))
            return True
        return False

    def as_it_was(held: Held, draw: Callable[[int], bytes]) -> Held:
        return held if held.record.tier is Tier.LOOSE else renewed(held, draw)

    patch.setattr(Recheck, "look", look_once)
    patch.setattr("mandala_cas.values.recheck.renewed", as_it_was)


def take_the_announcement_back(patch: Patch) -> None:
    """Delete an announcement as soon as it was carried out."""

    def report_done(crier: Crier, item: Any, spared_count: int) -> None:
        del spared_count
        crier.objects.delete([item.name])

    patch.setattr(Crier, "report_done", report_done)


def read_the_log_before_announcing(patch: Patch) -> None:
    """Look for the last time, announce, delete."""
    waiting: list[tuple[ObjectStore, str, Sealed]] = []
    delete = _Collection.delete

    def announce(crier: Crier, names: Sequence[str]) -> list[Any]:
        if not names:
            return []
        name, sealed = encode_condemned(
            names, created_us=crier.clock_us(), nonce=crier.draw(16), signer=crier.signer
        )
        waiting.append((crier.objects, name, sealed))
        return [decode_condemned(name, sealed.to_bytes())]

    def delete_later(collection: _Collection, infos: Any) -> Any:
        for item in [item for item in waiting if item[0] is collection.objects]:
            waiting.remove(item)
            collection.objects.put(item[1], item[2].parts)
        return delete(collection, infos)

    patch.setattr(Crier, "announce", announce)
    patch.setattr(Crier, "check_shown", lambda *_: None)
    patch.setattr(_Collection, "delete", delete_later)


def never_read_the_log_again(patch: Patch) -> None:
    """Delete what was garbage when it was announced."""
    read_log = _Collection.read_log

    def read_once(collection: _Collection) -> None:
        if not hasattr(collection, "needed"):
            read_log(collection)

    patch.setattr(_Collection, "read_log", read_once)
    patch.setattr(Crier, "check_shown", lambda *_: None)


def list_runs_before_segments(patch: Patch) -> None:
    """List in the order of writing."""

    def listed(objects: ObjectStore) -> Listing:
        found: dict[str, Mapping[str, Any]] = {}
        for folder in (COLLECTIONS, RUNS, SEGMENTS):
            found[folder] = {info.name: info for info in objects.list(folder)}
        times = [info.modified for infos in found.values() for info in infos.values()]
        return Listing(found[SEGMENTS], found[RUNS], found[COLLECTIONS], max(times, default=None))

    patch.setattr("mandala_cas.log.view.list_manifest", listed)


def let_equal_runs_replace_each_other(patch: Patch) -> None:
    """Have no tie-break."""
    patch.setattr(
        Run, "replaces", lambda run, other: run.name != other.name and other.covers <= run.covers
    )


def cover_by_range(patch: Patch) -> None:
    """Take a segment as covered whose name lies below those that are."""

    def covered_by(run: Run, view: LogView) -> list[str]:
        parsed = {name: parse_segment_name(name) for name in view.listing.segments}
        covered = [n for n, p in parsed.items() if p is not None and p.segment_id in run.covers]
        segments = [name for name in parsed if name <= max(covered, default="")]
        return [*segments, *(other.name for other in view.runs.values() if run.replaces(other))]

    patch.setattr("mandala_cas.upkeep.compacting.retire._covered_by", covered_by)


def retire_without_a_look_at_announcements(patch: Patch) -> None:
    """Rely on a run whose parts are condemned."""
    patch.setattr("mandala_cas.upkeep.compacting.retire._condemned_part", lambda *_: None)


def retire_what_cannot_be_read_back(patch: Patch) -> None:
    """Rely on a run because it is listed."""
    patch.setattr("mandala_cas.upkeep.compacting.retire.load_run", lambda *_, **__: None)
    patch.setattr("mandala_cas.upkeep.compacting.retire._condemned_part", lambda *_: None)
    patch.setattr("mandala_cas.upkeep.compacting.compact._write", _write_only)


def _write_only(objects: ObjectStore, made: Any, *_: object) -> bool:
    """Put a run, and believe that it is there."""
    objects.put_many({name: sealed.parts for name, sealed in made.parts.items()})
    objects.put(made.run.name, made.run.sealed.parts)
    return True


def forget_tombstones(patch: Patch) -> None:
    """Merge without what hides records."""
    from mandala_cas.log import run_making  # noqa: PLC0415 (its function is wrapped)

    patch.setattr(run_making, "merge_tombstones", lambda *_: ())


BROKEN: list[tuple[Break, str]] = [
    (look_at_nothing_after_publishing, "one_value"),
    (look_at_nothing_after_publishing, "two_collectors"),
    (look_at_nothing_after_publishing, "tags"),
    (repair_under_the_same_name, "one_value"),
    (take_the_announcement_back, "one_value"),
    (read_the_log_before_announcing, "one_value"),
    (never_read_the_log_again, "one_value"),
    (list_runs_before_segments, "compactor_and_reader"),
    (let_equal_runs_replace_each_other, "two_compactors"),
    (cover_by_range, "two_compactors"),
    (retire_without_a_look_at_announcements, "compactor_and_collector"),
    (retire_what_cannot_be_read_back, "compactor_and_collector"),
    (forget_tombstones, "two_compactors"),
]


@pytest.mark.parametrize(("break_rule", "name"), BROKEN)
def test_a_broken_rule_is_found(break_rule: Break, name: str, monkeypatch: Patch) -> None:
    """By a promise that is not kept, in no more runs than the tests of the real code make."""
    found = scenario(name)
    break_rule(monkeypatch)

    with pytest.raises((AssertionError, NotFoundError)) as caught:
        if name in SMALL:
            found.explore(100, DepthFirst(preemptions_max=1))
        found.explore_all()

    assert "seed" in "".join(caught.value.__notes__)
