"""Repair: what verification found, mended as far as anything has the bytes.

Every step may be cut off, and repairing again goes on from there. What can be had is placed anew
before what is damaged is put aside; what cannot be had counts as lost, so that its calls are made
again. Nothing is thrown away: what is put aside lies below ``bad/``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from mandala_cas.codec.registry import default_registry
from mandala_cas.envelope.signatures import Signer
from mandala_cas.log.run import Run
from mandala_cas.log.run_making import RunInputs, WholeRun, make_run
from mandala_cas.model.entries import CallRecord, Tombstone, TombstoneReason, ValueRecord
from mandala_cas.model.ids import ContentId, KeyId, PayloadHash, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, PACKS, hole_name, parse_segment_name
from mandala_cas.upkeep.code_values import RunsCode, is_signed_by, vouched_payloads
from mandala_cas.upkeep.printing import as_count
from mandala_cas.upkeep.publishing import Publisher
from mandala_cas.upkeep.repairing.quarantine import put_aside
from mandala_cas.upkeep.repairing.rebuilding import rebuild
from mandala_cas.upkeep.repairing.report import Act, Action, RepairReport
from mandala_cas.upkeep.repairing.run_rescue import readable_rest, rows_of_lost_run
from mandala_cas.upkeep.repairing.salvage import rescue, salvage
from mandala_cas.upkeep.verifying.findings import Problem, ProblemKind
from mandala_cas.upkeep.verifying.fsck import Level, verify_closely
from mandala_cas.upkeep.verifying.log_reading import LogReading
from mandala_cas.upkeep.verifying.payload_check import PayloadCheck
from mandala_cas.upkeep.verifying.progress import Progress, silent
from mandala_cas.values.broken import broken_calls
from mandala_cas.values.freed import PromisedAmong, nothing_promised
from mandala_cas.values.load import PromisedValues

_AGAIN: Final = "call the ops again inside `with storage:`; what they gave is computed and stored"
_STRANGE: Final = "that nobody wrote whom you trust"
_TRUST: Final = "storage.trust() its writer, or storage.sign() it, if you mean to, and repair again"
_LOG_KINDS: Final = (
    ProblemKind.DAMAGED_LOG,
    ProblemKind.FORGED,
    ProblemKind.DAMAGED_ANNOUNCEMENT,
)


def repair(
    objects: ObjectStore,
    level: Level = "refs",
    sample: float | tuple[int, int] | None = None,
    *,
    signer: Signer | None,
    clock_us: Callable[[], int],
    draw: Callable[[int], bytes] = os.urandom,
    trusts: Callable[[KeyId | None], bool] = lambda _: True,
    promised_among: PromisedAmong = nothing_promised,
    elsewhere: PromisedValues | None = None,
    progress: Progress = silent,
) -> RepairReport:
    """Mend what ``verify`` finds, and say what was done; ``verify`` is the dry run.

    Args:
        objects: the store.
        level: how closely to look; see ``verify``. Damage that only reading shows is mended only
            by "data".
        sample: for "data", which part of the payload to read.
        signer: signs what is put on record.
        clock_us: gives microseconds since 1970.
        draw: gives that many random bytes.
        trusts: whose signatures are not worth a word.
        promised_among: picks, of objects and the content ids of values in them, those that are not
            here because another store holds them: these are not lost.
        elsewhere: stores to fetch lost values from.
        progress: told how far it is.

    Raises:
        StoreUnavailableError: the store does not answer; what was done stays, and repairing again
            does the rest.
        UsageError: the store refuses to be written to.
    """
    found = verify_closely(
        objects, level, sample, trusts=trusts, promised_among=promised_among, progress=progress
    )
    if found.report.ok:
        return RepairReport(found.report, ())
    publisher = Publisher(objects, signer=signer, clock_us=clock_us, purpose="repair", draw=draw)
    work = _Repair(objects, found.reading, found.report.problems, publisher, trusts)
    if found.check is not None:
        work.mend_values(found.check, elsewhere)
        work.keep_rows_of_lost_runs(found.check)
    # What can be had is on record from here on; before this line nothing was taken away.
    publisher.publish()
    work.mend_runs(signer, clock_us, draw)
    work.put_down_holes()
    work.put_aside()
    return RepairReport(found.report, tuple(work.actions))


@dataclass(slots=True)
class _Repair:
    """One repair, step by step. ``doomed`` is what to put aside at the end."""

    objects: ObjectStore
    reading: LogReading
    problems: Collection[Problem]
    publisher: Publisher
    trusts: Callable[[KeyId | None], bool]
    runs_code: RunsCode = field(default_factory=lambda: default_registry().may_run_code)
    actions: list[Action] = field(default_factory=list)
    doomed: dict[str, Problem] = field(default_factory=dict)
    vouched: frozenset[tuple[ContentId, PayloadHash]] | None = None

    def mend_values(self, check: PayloadCheck, elsewhere: PromisedValues | None) -> None:
        """Place anew what can be had of damaged values; count the rest as lost."""
        damaged = {
            problem.name: problem
            for problem in self.problems
            if problem.kind is ProblemKind.DAMAGED and problem.name.startswith((PACKS, BLOBS))
        }
        placed: dict[ContentId, str] = {}
        # What is whole in a damaged object goes on living in another one.
        whole = check.look_into(damaged.keys())
        for name in sorted({record.location for record in whole if self._is_strange(record)}):
            self._act(Act.LEFT, name, f"it holds pickles {_STRANGE}", next_step=_TRUST)
            del damaged[name]
        self.doomed |= damaged
        for found in rescue(self.objects, (r for r in whole if r.location in damaged)):
            if found.record.content_id not in placed:
                placed[found.record.content_id] = found.record.location
                self.publisher.place(found)
        gone = {
            content_id: records
            for content_id, records in check.gone().items()
            if content_id not in placed
        }
        strange = {c for c, rows in gone.items() if rows and all(map(self._is_strange, rows))}
        for content_id in sorted(strange):
            self._act(
                Act.LEFT,
                f"value {content_id.short}",
                f"it is a pickle {_STRANGE}",
                next_step=_TRUST,
            )
        gone = {
            content_id: [record for record in records if not self._is_strange(record)]
            for content_id, records in gone.items()
            if content_id not in strange
        }
        for found in salvage(self.objects, gone, check.sizes, elsewhere):
            placed[found.record.content_id] = found.record.location
            self.publisher.place(found)
        for found in rebuild(check.live, {id_: r for id_, r in gone.items() if id_ not in placed}):
            placed[found.record.content_id] = found.record.location
            self.publisher.place(found)
        if placed:
            self._act(
                Act.PLACED,
                as_count(len(placed), "value"),
                "their bytes were whole in a damaged object, or found in another place, or made "
                "of what the log says",
                calls=check.live.affected(placed),
            )
        lost = gone.keys() - placed.keys() - check.kept_elsewhere()
        self._count_as_lost(check, lost)

    def keep_rows_of_lost_runs(self, check: PayloadCheck) -> None:
        """Record anew what parts say whose run cannot be read, where nothing else has it."""
        if not any(problem.kind is ProblemKind.DAMAGED_RUN for problem in self.problems):
            return
        known = self.reading.visible | self.reading.covered()
        rows = rows_of_lost_run(self.objects, self.reading.orphan_parts, check.live, known)
        # Nobody signs such a part, so anybody may have written what it says of a pickle.
        entries, strange = [], set()
        for entry in rows:
            if isinstance(entry, ValueRecord) and self._is_strange(entry):
                strange.add(entry.content_id)
            else:
                entries.append(entry)
        calls = [entry for entry in entries if isinstance(entry, CallRecord)]
        broken = broken_calls(calls, strange.__contains__)
        entries = [e for e in entries if not (isinstance(e, CallRecord) and e.call_id in broken)]
        count = sum(isinstance(entry, CallRecord) for entry in entries)
        if entries:
            self.publisher.record(entries)
            self._act(
                Act.RECORDED,
                as_count(count, "call"),
                "they were in parts of a run that cannot be read itself; what was dropped since "
                "that run was made, and only it knew, is back",
            )

    def mend_runs(
        self,
        signer: Signer | None,
        clock_us: Callable[[], int],
        draw: Callable[[int], bytes],
    ) -> None:
        """Make a run of the rows that can be read of each that is damaged in part.

        Parts, then the run, then the old ones are put aside: a crash leaves one run too many.
        """
        runs = self.reading.runs
        broken = {info.name for run in runs.runs.values() for info in runs.broken_parts(run)}
        by_name = {problem.name: problem for problem in self.problems}
        for run in list(runs.runs.values()):
            bad = [info.name for info in runs.broken_parts(run)]
            if not bad and run.name not in runs.unkept:
                continue
            problem = by_name.get(run.name) or by_name[bad[0]]
            if not is_signed_by(run.signature, self.trusts):
                # A run of what can be read of it would say the same with this user's word.
                message = f"{problem.message}; nobody whom you trust made it"
                self._act(Act.LEFT, run.name, message, next_step=_TRUST)
                continue
            if run.name in runs.unkept:
                if self.reading.visible.issuperset(run.covers):
                    self.doomed[run.name] = problem
                else:
                    self._act(Act.LEFT, run.name, problem.message, next_step=problem.next_step)
                continue
            rest = readable_rest(run, runs)
            if rest is not None:
                made = make_run(
                    RunInputs((), (rest,), generation_above=run.header.generation),
                    created_us=clock_us(),
                    draw=draw,
                    signer=signer,
                )
                self.objects.put_many({n: sealed.parts for n, sealed in made.parts.items()})
                # Only now what makes the parts count.
                self.objects.put(made.run.name, made.run.sealed.parts)
                self._act(
                    Act.RECORDED,
                    made.run.name,
                    f"a run with the rows of {run.name} that can be read: "
                    f"{made.header.call_count} of {run.header.call_count} calls",
                )
            self._put_down_lost(run, rest)
            self.doomed[run.name] = problem
            self.doomed |= {name: by_name.get(name, problem) for name in bad if name in broken}

    def _put_down_lost(self, run: Run, rest: WholeRun | None) -> None:
        """Put down as lost those segments of a damaged run that a later one still names.

        Before the run is put aside: only it says of them that they were there.
        """
        kept = frozenset() if rest is None else rest.run.covers
        have = kept | self.reading.visible | self.reading.covered()
        digests = zip(run.covered.digests.rows(), run.covered.segment_ids, strict=True)
        gone = {digest: id_ for digest, id_ in digests if id_ not in have}
        for digest, (_, _, previous) in self.reading.chain.items():
            if previous in gone and digest not in gone:
                id_ = gone[previous]
                name = hole_name(WriterId(id_[:8]), int.from_bytes(id_[8:12], "big"))
                message = f"a segment was in {run.name}, which is damaged there, and nowhere else"
                self.objects.put(name, [f"{message}\n".encode()])
                self._act(Act.NOTED, name, message, next_step=_AGAIN)

    def put_down_holes(self) -> None:
        """Put down the segments that are missing, so that they are known to be."""
        for problem in self.problems:
            if problem.kind is ProblemKind.CHAIN_HOLE:
                self.objects.put(problem.name, [f"{problem.message}\n".encode()])
                self._act(Act.NOTED, problem.name, problem.message, next_step=_AGAIN)

    def put_aside(self) -> None:
        """Put aside all that is damaged, now that nothing needs it."""
        for problem in self.problems:
            if problem.kind in _LOG_KINDS or problem.kind is ProblemKind.DAMAGED_RUN:
                self.doomed[problem.name] = problem
            elif problem.kind is ProblemKind.UNSUPPORTED:
                self._act(Act.LEFT, problem.name, problem.message, next_step=problem.next_step)
        for name in put_aside(self.objects, self.doomed):
            problem = self.doomed[name]
            self._act(
                Act.PUT_ASIDE,
                name,
                f"{problem.message}{_who_wrote(name)}",
                calls=problem.calls,
                next_step=_AGAIN if problem.is_lost else "",
            )

    def _count_as_lost(self, check: PayloadCheck, lost: set[ContentId]) -> None:
        """Hide the calls that gave what nobody has any more; they are made again when asked for.

        Calls that merely took such a value still answer, and stay.
        """
        giving = check.live.calls_giving(lost) if lost else []
        self.publisher.record(
            Tombstone(dot.writer, dot.seq, dot.row, dot.row, TombstoneReason.LOST)
            for dot, _ in giving
        )
        if giving:
            ops = ", ".join(sorted({call.record.op_name for call in giving}))
            self._act(
                Act.LOST,
                f"{as_count(len(giving), 'call')} of {ops}",
                "what they gave is in no place any more",
                calls=check.live.affected(lost),
                next_step=_AGAIN,
            )

    def _is_strange(self, record: ValueRecord) -> bool:
        """Tell whether a value is a pickle that nobody trusted is known to have written.

        Put on record by who repairs, it would be that user's own from then on, and be decoded.
        """
        if not self.runs_code(record.codec_name):
            return False
        if self.vouched is None:
            parts = self.reading.parts.values()
            self.vouched = vouched_payloads(parts, self.runs_code, self.trusts)
        return (record.content_id, record.payload_hash) not in self.vouched

    def _act(self, act: Act, name: str, message: str, **more: object) -> None:
        """Put down what was done."""
        self.actions.append(Action(act, name, message, **more))  # type: ignore[arg-type] # as given


def _who_wrote(name: str) -> str:
    """Return who wrote a segment and when, as far as its name tells."""
    parsed = parse_segment_name(name)
    if parsed is None:
        return ""
    when = datetime.fromtimestamp(parsed.time_ms / 1000, UTC)
    return f"; writer {parsed.writer.hex()} wrote it, on {when:%Y-%m-%d %H:%M} UTC by its clock"
