"""What somebody who can write to a store can do to those who read it, end to end.

Ada's store is in a directory, and Mallory writes to it whatever the format allows. Each test is a
claim of ``docs/explanation/threat-model.md``.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from tests.integration.forging import (
    MALLORY,
    Change,
    Forger,
    call_count,
    files_below,
    id_of,
    put_segment,
    rewrite,
    saying,
    segment_files,
    segments_in,
    trap,
    value_of,
    values_in,
)
from tests.integration.people import People, Trap, add_one, read, recorded

from mandala_cas.blobs.value import seal_value
from mandala_cas.codec.directory_table import pack_table
from mandala_cas.codec.file_contents import Entry
from mandala_cas.codec.packages import NEEDED
from mandala_cas.errors import CorruptionError, MandalaError, MandalaWarning, UntrustedError
from mandala_cas.imports import Storage, op
from mandala_cas.index import kept
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.local import LocalObjectStore

PACKED, LOOSE = 1_000, 200_000


@op
def noise(seed: int, size: int) -> Any:
    """Return numbers that do not shrink."""
    return np.random.default_rng(seed).random(size)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> People:
    """Return people, none of whom knows another."""
    return People(monkeypatch, tmp_path)


@pytest.fixture
def store(tmp_path: Path, people: People) -> Path:
    """Be Ada, who will have a store there."""
    people.become("ada")
    return tmp_path / "store"


def made(store: Path, seed: int = 1, size: int = PACKED) -> Ref:
    """Record a call and return the ref of its result, which holds nothing."""
    with Storage(store):
        ref: Any = noise(seed, size)
    assert isinstance(ref, Ref)
    return ref.detached()


def assert_refused(store: Path, ref: Ref) -> None:
    """Check that a value is not given, and that the call is made again where it can be."""
    with pytest.raises(CorruptionError):
        value_of(store, ref)
    storage = Storage(store)
    with storage:
        again: Any = noise(1, PACKED)
        assert np.array_equal(storage.unwrap(again), noise.f(1, PACKED))


@pytest.mark.parametrize("codec_name", sorted({*NEEDED} - {"pickle"}))
def test_a_pickle_under_the_name_of_another_codec_is_not_run(store: Path, codec_name: str) -> None:
    """No decoder but that of pickles takes them, and that asks who wrote it."""
    ref = made(store)
    rewrite(store, saying(id_of(ref), codec_name, *trap()))
    sprung = Trap.sprung

    with pytest.raises(MandalaError):
        value_of(store, ref)

    assert Trap.sprung == sprung


@pytest.mark.filterwarnings("ignore::mandala_cas.errors.MandalaWarning")
def test_a_planted_pickle_is_not_run_and_the_call_is_made_again(store: Path) -> None:
    """The record of a plain value may say that it is a pickle; then its writer is asked for."""
    ref = made(store)
    rewrite(store, saying(id_of(ref), "pickle", *trap()))
    sprung = Trap.sprung

    with pytest.raises(UntrustedError, match="noise"):
        value_of(store, ref)
    storage = Storage(store)
    with storage:
        again: Any = noise(1, PACKED)
        assert np.array_equal(storage.unwrap(again), noise.f(1, PACKED))

    assert Trap.sprung == sprung


@pytest.mark.parametrize("size", [PACKED, LOOSE])
def test_a_swapped_blob_is_noticed(store: Path, size: int) -> None:
    """Both are true values of the right size, in envelopes that are whole."""
    refs = [made(store, 1, size), made(store, 2, size)]
    folder = "packs" if size == PACKED else "blobs"
    first, second = (path for path in (store / folder).rglob("*") if path.is_file())
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)

    for ref in refs:
        with pytest.raises(CorruptionError):
            value_of(store, ref)


@pytest.mark.parametrize("size", [PACKED, LOOSE])
def test_other_bytes_behind_the_name_of_a_blob_are_noticed(store: Path, size: int) -> None:
    """The envelope says that it holds what was asked for, and is whole."""
    ref = made(store, 1, size)
    (record,) = (found for found in values_in(store) if found.tier is not Tier.INLINE)
    file = store / record.location
    other = noise.f(2, size).tobytes()
    named = (record.payload_hash, record.codec_name, record.codec_version, record.codec_header)
    sealed = seal_value(*named, (other,)).to_bytes()
    assert len(sealed) == record.stored_size

    whole = file.read_bytes()
    end = record.offset + record.stored_size
    file.write_bytes(whole[: record.offset] + sealed + whole[end:])

    with pytest.raises(CorruptionError):
        value_of(store, ref)


def test_a_record_that_leads_to_another_values_bytes_is_noticed(store: Path) -> None:
    """It names the hash of one, and the place of the other."""
    ref, other = made(store, 1), made(store, 2)
    place = next(record for record in values_in(store) if record.content_id == id_of(other))

    def lead_astray(record: ValueRecord) -> ValueRecord:
        if record.content_id != id_of(ref):
            return record
        return dataclasses.replace(
            record,
            location=place.location,
            offset=place.offset,
            stored_size=place.stored_size,
        )

    rewrite(store, lead_astray)

    assert_refused(store, ref)


def test_a_record_that_names_another_value_is_its_signers_word(store: Path) -> None:
    """With hash and place of the other: a false result, which is no secret of whose it is."""
    ref, other = made(store, 1), made(store, 2)
    lie = next(record for record in values_in(store) if record.content_id == id_of(other))

    rewrite(
        store,
        lambda record: (
            dataclasses.replace(lie, content_id=id_of(ref))
            if record.content_id == id_of(ref)
            else record
        ),
    )

    assert np.array_equal(value_of(store, ref), noise.f(2, PACKED))
    signatures = [segment.signature for segment in segments_in(store)]
    assert {mark.public_key for mark in signatures if mark} == {MALLORY.public_key}


@pytest.mark.parametrize("with_key", [True, False])
def test_a_forged_segment_vouches_for_no_pickle(
    store: Path, people: People, *, with_key: bool
) -> None:
    """Ada's public key is no secret; her signature cannot be made of it, nor left out."""
    ref = recorded(store, 1)
    (segment,) = segments_in(store)
    assert segment.signature is not None
    signer = Forger(segment.signature.public_key) if with_key else None
    rewrite(store, saying(id_of(ref), "pickle", *trap()), signer)
    people.become("ada")
    sprung = Trap.sprung

    with pytest.raises(CorruptionError if with_key else UntrustedError):
        value_of(store, ref)

    assert Trap.sprung == sprung


@pytest.mark.parametrize("name", ["time", "writer", "number"])
def test_a_segment_replayed_under_another_name_says_nothing(store: Path, name: str) -> None:
    """Its name is part of what it says."""
    made(store)
    (file,) = segment_files(store)
    time, writer, number, digest = file.name.split("-")
    replayed = {
        "time": f"{int(time, 16) + 1:012x}-{writer}-{number}-{digest}",
        "writer": f"{time}-{'0' * len(writer)}-{number}-{digest}",
        "number": f"{time}-{writer}-000001-{digest}",
    }
    file.with_name(replayed[name]).write_bytes(file.read_bytes())

    with pytest.warns(MandalaWarning, match="skipped a damaged log object"):
        storage = Storage(store)

    assert call_count(storage) == 1


def test_a_segment_replayed_after_its_calls_were_dropped_brings_nothing_back(store: Path) -> None:
    """What was dropped is named by writer and number, wherever its segment turns up again."""
    made(store)
    (old,) = segment_files(store)
    kept = old.read_bytes()
    with Storage(store) as storage:
        storage.drop_calls(list(storage.cf(noise).df()["noise"]))
    storage.commit()
    storage.compact(full=True, delay=0)
    storage.compact(full=True, delay=0)

    old.parent.mkdir(exist_ok=True)
    old.write_bytes(kept)

    assert call_count(Storage(store)) == 0


def test_a_writer_that_was_rolled_back_in_part_is_noticed(store: Path) -> None:
    """Whoever has read a later segment of the same writer knows that one is missing."""
    with Storage(store) as storage:
        for seed in range(3):
            noise(seed, PACKED)
            storage.commit()
    _, second, _ = segment_files(store)

    second.unlink()

    counts = Storage(store).health().counts
    assert counts["missing_segments"] == 1
    assert call_count(Storage(store)) == 2


def test_a_state_that_was_put_back_whole_is_an_older_state(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with an index of what came later does not mix the two, nor answer from it."""
    monkeypatch.setattr(kept, "_ROW_COUNT_MIN", -1)
    made(store, 1)
    shutil.copytree(store, tmp_path / "older")
    made(store, 2)
    later = Storage(store)
    assert later._parts.base is not None
    assert call_count(later) == 2

    shutil.rmtree(store)
    shutil.copytree(tmp_path / "older", store)

    with pytest.warns(MandalaWarning, match="has lost log objects"):
        storage = Storage(store)
    assert call_count(storage) == 1
    with storage:
        again: Any = noise(2, PACKED)
    assert again.in_memory


def test_a_bomb_is_not_unpacked_further_than_its_record_says(store: Path) -> None:
    """A hundred megabytes of zeros in a few kilobytes, said to be a thousand numbers."""
    ref = made(store)
    (pack,) = (path for path in (store / "packs").rglob("*") if path.is_file())
    (record,) = (found for found in values_in(store) if found.tier is Tier.PACK)
    sealed = seal_value(record.payload_hash, "ndarray", 1, record.codec_header, (bytes(100 << 20),))
    bomb = sealed.to_bytes()
    pack.write_bytes(pack.read_bytes()[: record.offset] + bomb)
    rewrite(
        store,
        lambda found: (
            dataclasses.replace(found, stored_size=len(bomb)) if found == record else found
        ),
    )

    assert peak_of_refusal(store, ref) < 8 << 20


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ({"dtype": "<f8", "shape": [1 << 40]}, bytes(64)),
        ({"dtype": "<f8", "shape": [1 << 62, 4]}, bytes(64)),
        ({"dtype": "<U1000000000", "shape": [2]}, bytes(64)),
    ],
)
def test_a_value_that_claims_to_be_huge_takes_no_memory(
    store: Path, header: Mapping[str, Any], payload: bytes
) -> None:
    """The header of a codec says how large an array is; the payload is there to compare."""
    ref = made(store)
    rewrite(store, saying(id_of(ref), "ndarray", header, payload))

    assert peak_of_refusal(store, ref) < 8 << 20


@pytest.mark.filterwarnings("ignore:skipped a damaged log object")
@pytest.mark.parametrize(
    "lie",
    [
        lambda record: dataclasses.replace(record, raw_size=1 << 40),
        lambda record: dataclasses.replace(record, stored_size=1 << 40),
        lambda record: dataclasses.replace(record, raw_size=1 << 40, stored_size=1 << 40),
        lambda record: dataclasses.replace(record, offset=1 << 40),
    ],
)
@pytest.mark.parametrize("size", [PACKED, LOOSE])
def test_a_record_that_claims_a_huge_size_takes_no_memory(
    store: Path, size: int, lie: Change
) -> None:
    """Sizes are compared with the object that is there, and with the envelope in it."""
    ref = made(store, 1, size)
    rewrite(store, lambda found: found if found.tier is Tier.INLINE else lie(found))
    storage = Storage(store)
    tracemalloc.start()

    # A loose blob may be compressed by another writer, so its size is no part of what it is.
    with suppress(MandalaError):
        (value,) = storage.load_values([id_of(ref)])
        assert np.array_equal(value, noise.f(1, size))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def peak_of_refusal(store: Path, ref: Ref) -> int:
    """Return how much memory it takes to refuse a value."""
    storage = Storage(store)
    tracemalloc.start()
    with pytest.raises(MandalaError):
        storage.load_values([id_of(ref)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


READER = """
import sys
from mandala_cas.errors import CorruptionError, UntrustedError
from mandala_cas.imports import Storage
from mandala_cas.model.ids import ContentId
store, cid, policy = sys.argv[1:]
storage = Storage(store, pickle=policy)
try:
    storage.load_values([ContentId(bytes.fromhex(cid))])
except (CorruptionError, UntrustedError) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("policy", "said"), [("trusted", "Untrusted"), ("allow", "Corruption")])
def test_a_crafted_parquet_file_reaches_no_parser(store: Path, policy: str, said: str) -> None:
    """A file like that ended a process in a run of the fuzzer; so its writer is asked for first."""
    ref = made(store)
    crafted = b"PAR1" + bytes(range(256)) * 4 + (1 << 31).to_bytes(4, "little") + b"PAR1"
    rewrite(store, saying(id_of(ref), "parquet", {"inner": {"of": "polars"}}, crafted))
    command = [sys.executable, "-c", READER, str(store), ref.cid, policy]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (0, f"{said}Error\n"), ended.stderr


@pytest.mark.filterwarnings("ignore:skipped a damaged log object")
@pytest.mark.parametrize("tier", [Tier.PACK, Tier.LOOSE])
@pytest.mark.parametrize("place", ["../secret", "packs/../../secret", "/secret", "config"])
def test_a_place_outside_of_payload_is_not_read(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, tier: Tier
) -> None:
    """Not even to find that its hash is another."""
    ref = made(store)
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    where = str(tmp_path / "secret") if place == "/secret" else place
    rewrite(
        store,
        lambda found: (
            dataclasses.replace(found, location=where, tier=tier, offset=0, stored_size=4096)
            if found.tier is Tier.PACK
            else found
        ),
    )
    before = files_below(store, tmp_path / "homes")
    asked: list[str] = []
    get_ranges = LocalObjectStore.get_ranges

    def watched(self: LocalObjectStore, requests: Any) -> Any:
        asked.append(str(requests))
        return get_ranges(self, requests)

    monkeypatch.setattr(LocalObjectStore, "get_ranges", watched)

    with pytest.raises(MandalaError):
        value_of(store, ref)

    assert asked == []
    assert before.items() <= files_below(store, tmp_path / "homes").items()


@pytest.mark.parametrize("name", ["../climbed", "a/../../climbed", "/climbed", "a\\..\\climbed"])
@pytest.mark.parametrize("is_directory", [True, False])
def test_a_directory_whose_names_climb_out_is_written_nowhere(
    store: Path, tmp_path: Path, name: str, *, is_directory: bool
) -> None:
    """Everything is checked before anything is written."""
    ref = made(store)
    table = pack_table([Entry(name, 1, blake3(b"1").digest())])
    if is_directory:
        change = saying(id_of(ref), "dir", {"name": "d", "table": len(table)}, table + b"1")
    else:
        change = saying(id_of(ref), "file", {"name": name, "executable": True}, b"1")
    rewrite(store, change)

    with pytest.raises(CorruptionError):
        value_of(store, ref)

    assert not [path for path in tmp_path.rglob("*") if path.name.endswith("climbed")]


def test_a_false_call_answers_like_any_other(store: Path) -> None:
    """Numbers need no signature: write access is for those whose results one would accept."""
    with Storage(store):
        add_one(1)
    (segment,) = segments_in(store)
    call = segment.call_record(0)
    (output,) = call.outputs
    change = saying(output.content_id, "plain", {}, b"\x07")
    values = [segment.value_record(row) for row in range(segment.values.row_count)]
    segment_files(store)[0].unlink()
    put_segment(store, [*map(change, values), call], segment, MALLORY)

    storage = Storage(store)
    with storage:
        ref: Any = add_one(1)

    assert storage.unwrap(ref) == 7


def test_a_link_in_a_folder_is_followed_and_gives_no_value(store: Path, tmp_path: Path) -> None:
    """Whoever sends a folder may put links into it; what they lead to has another hash."""
    ref = made(store)
    (pack,) = (path for path in (store / "packs").rglob("*") if path.is_file())
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 10_000)
    pack.unlink()
    pack.symlink_to(secret)

    with pytest.raises(CorruptionError) as caught:
        value_of(store, ref)

    assert "secretsecret" not in str(caught.value)
    assert secret.read_bytes() == b"secret" * 10_000


def test_the_store_of_these_tests_is_fine_when_nobody_harms_it(store: Path) -> None:
    """Or all of the above would be refused for another reason."""
    ref = made(store)
    rewrite(store, lambda record: record)

    assert np.array_equal(value_of(store, ref), noise.f(1, PACKED))
    with Storage(store):
        reading: Any = read(3)
    assert value_of(store, reading).number == 3
