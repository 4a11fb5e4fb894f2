"""Rows of a run are known to be of whom signed their segment, whatever part of it is read."""

from __future__ import annotations

import pytest
from tests.unit.log.entry_strategies import inline_record
from tests.unit.log.sample_runs import nonce, read_back, segment_of

from mandala_cas.envelope.signatures import SigningKey, key_id_of
from mandala_cas.log.merge import PartLimits
from mandala_cas.log.part import LogPart
from mandala_cas.log.run_making import MadeRun, RunInputs, make_run
from mandala_cas.log.run_part import RunPart
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.memory import MemoryObjectStore

KEYS = [SigningKey(bytes([number]) * 32) for number in range(1, 5)]
COMPACTOR = SigningKey(b"c" * 32)


def id_of(key: SigningKey) -> KeyId:
    """Return the id of a key."""
    return key_id_of(key.public_key)


@pytest.fixture
def segments() -> list[tuple[Segment, KeyId | None]]:
    """Return a segment of each key, each with a value, and who signed it."""
    return [
        (segment_of([inline_record()], writer=number, signer=key), id_of(key))
        for number, key in enumerate(KEYS)
    ]


@pytest.fixture(params=[1, 100])
def made(segments: list[tuple[Segment, KeyId | None]], request: pytest.FixtureRequest) -> MadeRun:
    """Return a run of all of them, with a part for each, or with one part."""
    limits = PartLimits(size_max=request.param * 1000)
    return make_run(RunInputs(segments), created_us=5, draw=nonce, signer=COMPACTOR, limits=limits)


def keys_by_writer(parts: list[LogPart]) -> dict[int, KeyId | None]:
    """Return who signed the segment of each value, by the number of its writer.

    Asked for one by one and all at once, it is the same.
    """
    found: dict[int, KeyId | None] = {}
    for part in parts:
        assert isinstance(part, RunPart)
        codes, written_us, signers = part.value_origins()
        for row in range(part.values.row_count):
            assert signers[codes[row]] == part.value_key(row)
            assert written_us[codes[row]] == part.value_created_us(row)
            code = int(part.tables["values"].numbers("segment")[row])
            writer = int.from_bytes(part.ordered_segment_ids[code][:8], "big")
            found[writer] = part.value_key(row)
    return found


@pytest.mark.parametrize("held", [(), (0,), (1,), (0, 2), (3,)])
def test_each_row_has_the_key_of_its_segment(
    memory: MemoryObjectStore,
    segments: list[tuple[Segment, KeyId | None]],
    made: MadeRun,
    held: tuple[int, ...],
) -> None:
    """Also where a view knew some of the segments before, and takes the others only."""
    view = LogView(memory)
    view.add(segments[number][0] for number in held)
    memory.put_many({name: sealed.parts for name, sealed in made.parts.items()})
    memory.put(made.run.name, made.run.sealed.parts)

    parts = view.refresh()

    expected = {number: key for number, (_, key) in enumerate(segments) if number not in held}
    assert keys_by_writer(list(parts)) == expected
    signers = {part.signature.verified_key() for part in parts if part.signature is not None}
    assert signers == {id_of(COMPACTOR)}


def test_of_a_part_alone_nobody_is_known(made: MadeRun) -> None:
    """Zero bytes are nobody's key, so nothing is decoded on the word of such a part."""
    (part, *_) = read_back(made).parts.values()

    assert part.value_key(0) == bytes(KeyId.SIZE)
    assert set(part.value_origins()[2]) == {bytes(KeyId.SIZE)}


def test_a_segment_is_its_signers(segments: list[tuple[Segment, KeyId | None]]) -> None:
    """Its own signature tells, and is checked."""
    segment, key = segments[0]

    assert segment.signature is not None
    assert segment.signature.verified_key() == key
