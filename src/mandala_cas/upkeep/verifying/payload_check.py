"""Whether the payload that a log speaks of is there: by listings, and by its bytes where asked.

References are collected first and payload is listed afterwards: what was referenced before must be
there later. The other order gives false alarms whenever somebody writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from mandala_cas.blobs.store import BlobStore
from mandala_cas.errors import MandalaError
from mandala_cas.index.prefixes import prefix_of
from mandala_cas.index.sorting import among
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId, PayloadHash
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import is_pack_name, payload_hash_of_blob
from mandala_cas.upkeep.verifying.findings import Problem, ProblemKind
from mandala_cas.upkeep.verifying.live import LiveLog
from mandala_cas.upkeep.verifying.payload_bytes import check_slice, check_values, read_packs
from mandala_cas.upkeep.verifying.progress import Progress, silent
from mandala_cas.upkeep.verifying.sampling import Sample
from mandala_cas.values.creators import rows_of
from mandala_cas.values.freed import PromisedAmong

_RESTORE: Final = (
    "restore the object from a backup or another replica; or storage.repair() looks for other "
    "copies, and what cannot be had counts as lost, so that its calls run again"
)
_PUT_ASIDE: Final = "storage.repair() puts it aside; its values have other places"


class Row(NamedTuple):
    """One row of the values of one part."""

    part_name: str
    row: int


class _Failure(NamedTuple):
    """Why the value in a row cannot be read."""

    kind: ProblemKind
    object_name: str
    reason: str


class _Place(NamedTuple):
    """What several rows may say in the same way."""

    object_name: str
    offset: int
    payload_hash: PayloadHash


@dataclass(slots=True)
class PayloadCheck:
    """Checks the places of all values in use; ``failures`` are the rows that cannot be read.

    ``sizes`` is a listing of the payload, made after the log was read. ``promised_among``
    picks, of objects and the content ids of values in them, those that another store holds.
    """

    objects: ObjectStore
    live: LiveLog
    sizes: Mapping[str, int]
    promised_among: PromisedAmong
    progress: Progress = silent
    failures: dict[Row, _Failure] = field(default_factory=dict)
    damaged_packs: dict[str, str] = field(default_factory=dict)
    promised_count: int = 0
    absent_inputs: set[ContentId] = field(default_factory=set)

    def check_places(self, broken_inline: Mapping[str, MandalaError]) -> None:
        """Find the rows whose object is not there, or too short.

        ``broken_inline`` are the parts whose inline payloads cannot be read, and why.

        A loose blob may have another size than a record states, for another zstd may have made it:
        the bytes of such a one are read.
        """
        suspects: list[Row] = []
        for name, part in self.live.parts.items():
            values = part.values
            used = self.live.is_used(values.fixed("content_id"))
            tiers = values.numbers("tier")
            locations = values.text("location")
            sizes = np.array([self.sizes.get(word, -1) for word in locations.words], np.int64)
            size = sizes[locations.codes] if len(locations) else np.empty(0, np.int64)
            stored = values.numbers("stored_size").astype(np.int64)
            end = values.numbers("offset").astype(np.int64) + stored
            fits = np.where(tiers == Tier.PACK, end <= size, stored == size)
            failed = used & (tiers != Tier.INLINE) & ~((size >= 0) & fits)
            if name in broken_inline:
                error = broken_inline[name]
                where = str(error.details.get("name", name))
                reason = _Failure(ProblemKind.DAMAGED_PART, where, str(error))
                inline = np.flatnonzero(used & (tiers == Tier.INLINE)).tolist()
                self.failures.update(dict.fromkeys([Row(name, row) for row in inline], reason))
            for row in np.flatnonzero(failed).tolist():
                location = locations[row]
                if tiers[row] == Tier.LOOSE and size[row] >= 0:
                    suspects.append(Row(name, row))
                else:
                    self.failures[Row(name, row)] = _failure(
                        location, int(size[row]), int(end[row])
                    )
        self._read(suspects)

    def check_bytes(self, sample: Sample) -> int:
        """Read the values in a sample, and compare their hashes; return how many bytes it was.

        Packs are read whole: what is not a value, such as the footer that finds lost records
        again, is in no record, and only the pack's own name tells whether it is as it was.
        """
        rows = []
        for name, part in self.live.parts.items():
            values = part.values
            used = self.live.is_used(values.fixed("content_id"))
            locations = values.text("location")
            wanted = np.array([sample.has(word or name) for word in locations.words], bool)
            if len(locations):
                used &= wanted[locations.codes]
            rows += [Row(name, row) for row in np.flatnonzero(used).tolist()]
        return self._read((row for row in rows if row not in self.failures), whole_packs=True)

    def unnamed(self) -> dict[str, int]:
        """Return the payload that no value in use has a place in, with the sizes."""
        named: set[str] = set()
        for part in self.live.parts.values():
            used = self.live.is_used(part.values.fixed("content_id"))
            locations = part.values.text("location")
            named |= {locations.words[code] for code in np.unique(locations.codes[used]).tolist()}
        return {name: size for name, size in self.sizes.items() if name not in named}

    def gone(self) -> dict[ContentId, list[ValueRecord]]:
        """Return the values in use that no place gives, each with the records that place it."""
        contents = {self._content_id(row) for row in self.failures}
        gone = contents - self._readable(contents)
        found: dict[ContentId, list[ValueRecord]] = defaultdict(list)
        for row, failure in self.failures.items():
            content_id = self._content_id(row)
            if content_id not in gone:
                continue
            records = found[content_id]
            # A row whose inline payload is damaged says no more than that it is gone.
            if failure.kind is not ProblemKind.DAMAGED_PART:
                records.append(self.live.parts[row.part_name].value_record(row.row))
        return dict(found)

    def kept_elsewhere(self) -> set[ContentId]:
        """Return the values of which a place is empty because another store holds them."""
        missing = [
            (failure.object_name, self._content_id(row))
            for row, failure in self.failures.items()
            if failure.kind is ProblemKind.MISSING
        ]
        promised = self.promised_among(missing)
        return {content_id for name, content_id in missing if (name, content_id) in promised}

    def look_into(self, object_names: Collection[str]) -> list[ValueRecord]:
        """Read all values that any record places in these objects; return those that are whole.

        Also what no call uses any more: another writer may be about to use it again. The others
        are failures from here on.
        """
        rows = []
        for name, part in self.live.parts.items():
            locations = part.values.text("location")
            wanted = np.array([word in object_names for word in locations.words], bool)
            if len(locations):
                there = np.flatnonzero(wanted[locations.codes])
                rows += [Row(name, row) for row in there.tolist()]
        for row in rows:
            self.failures.pop(row, None)
        self._read(rows)
        whole = [row for row in rows if row not in self.failures]
        records = [self.live.parts[row.part_name].value_record(row.row) for row in whole]
        elsewhere = self._readable({record.content_id for record in records}, object_names)
        return [record for record in records if record.content_id not in elsewhere]

    def problems(self) -> list[Problem]:
        """Return the problems, one for each object and kind, in order of names."""
        contents = {row: self._content_id(row) for row in self.failures}
        readable = self._readable(set(contents.values()))
        found: dict[tuple[ProblemKind, str], dict[ContentId, str]] = defaultdict(dict)
        for row, failure in self.failures.items():
            found[failure.kind, failure.object_name][contents[row]] = failure.reason
        problems = []
        promised = self.kept_elsewhere()
        for (kind, name), reasons in sorted(found.items(), key=lambda item: item[0][1]):
            ids = set(reasons)
            gone = ids - readable - promised
            needed = self.needed(gone)
            if not needed and name not in self.sizes:
                # What garbage collection and repair leave: another place has the value, or it is
                # an input that nobody had any more. No call promised it.
                self.absent_inputs |= gone
                continue
            problems.append(self._problem(kind, name, reasons, gone, bool(needed)))
        self.promised_count = len(promised - readable)
        reported = {problem.name for problem in problems}
        problems += [
            Problem(
                ProblemKind.DAMAGED,
                name,
                f"{reason}; every value in it that is in use is whole",
                "storage.repair() puts it aside, and its values elsewhere",
            )
            for name, reason in sorted(self.damaged_packs.items())
            if name not in reported
        ]
        return problems

    def _problem(
        self,
        kind: ProblemKind,
        name: str,
        reasons: Mapping[ContentId, str],
        gone: set[ContentId],
        is_lost: bool,  # noqa: FBT001 (one of five facts)
    ) -> Problem:
        """Return what is said of one object."""
        count = len(reasons)
        values = "1 value is" if count == 1 else f"{count} values are"
        where = "in no other place" if len(gone) == count else f"{len(gone)} in no other place"
        return Problem(
            kind,
            name,
            f"{next(iter(reasons.values()))}; {values} placed there, {where}",
            _RESTORE if is_lost else _PUT_ASIDE,
            self.live.affected(reasons),
            is_lost=is_lost,
            content_ids=frozenset(reasons),
        )

    def _read(self, rows: Iterable[Row], *, whole_packs: bool = False) -> int:
        """Read the values in rows, each place once; put down those that are not as they should."""
        by_place: dict[_Place, list[Row]] = defaultdict(list)
        records: dict[_Place, ValueRecord] = {}
        for row in rows:
            record = self.live.parts[row.part_name].value_record(row.row)
            name = record.location or row.part_name
            place = _Place(name, record.offset, record.payload_hash)
            by_place[place].append(row)
            records.setdefault(place, record)
        # In the order of places, so that ranges of one pack are asked for together.
        places = sorted(records)
        size = 0
        if whole_packs:
            packs = {p.object_name for p in places if records[p].tier is Tier.PACK}
            of_pack: dict[str, list[_Place]] = defaultdict(list)
            for place in places:
                if place.object_name in packs:
                    of_pack[place.object_name].append(place)
            places = [place for place in places if place.object_name not in packs]
            infos = [ObjectInfo(name, self.sizes[name]) for name in sorted(packs)]
            for name, data, error in read_packs(self.objects, infos, self.progress):
                size += self.sizes[name]
                if error is not None:
                    self.damaged_packs[name] = str(error)
                for place in of_pack[name]:
                    self._judge(by_place[place], place, check_slice(records[place], data))
        ordered = [records[place] for place in places]
        checked = check_values(BlobStore(self.objects), ordered, self.progress)
        for place, (record, error) in zip(places, checked, strict=True):
            size += record.stored_size
            self._judge(by_place[place], place, error)
        return size

    def _judge(self, rows: Iterable[Row], place: _Place, error: MandalaError | None) -> None:
        """Put down the rows of a place as failures, if there is something wrong with it."""
        if error is not None:
            failure = _Failure(ProblemKind.DAMAGED, place.object_name, str(error))
            self.failures.update(dict.fromkeys(rows, failure))

    def _content_id(self, row: Row) -> ContentId:
        """Return the value in a row."""
        part = self.live.parts[row.part_name]
        return ContentId(part.values.fixed("content_id")[row.row])

    def _readable(
        self, content_ids: set[ContentId], but_in: Collection[str] = ()
    ) -> set[ContentId]:
        """Return those values that have a row without a failure, outside of some objects."""
        return {
            ContentId(part.values.fixed("content_id")[row])
            for name, part in self.live.parts.items()
            for row in rows_of(part.values.fixed("content_id"), content_ids)
            if Row(name, row) not in self.failures
            and part.values.text("location")[row] not in but_in
        }

    def needed(self, content_ids: set[ContentId]) -> set[ContentId]:
        """Return those values that a live call gave, or a tag names."""
        ids = list(content_ids)
        prefixes = np.array([prefix_of(id_) for id_ in ids], np.uint64)
        needed = among(prefixes, self.live.needed).tolist()
        return {id_ for id_, is_needed in zip(ids, needed, strict=True) if is_needed}


def _failure(location: str, size: int, end: int) -> _Failure:
    """Return why a listing says that a value cannot be read."""
    if not is_pack_name(location) and payload_hash_of_blob(location) is None:
        return _Failure(
            ProblemKind.BAD_PLACE, location, f"{location!r} names no pack and no loose blob"
        )
    if size < 0:
        return _Failure(ProblemKind.MISSING, location, f"{location} is not there")
    reason = f"{location} has {size} bytes, and a value in it ends at {end}: it was cut short"
    return _Failure(ProblemKind.DAMAGED, location, reason)
