"""The fuzzer sees all that a decoder may not do, and does the same for the same seed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from itertools import islice

import pytest

from mandala_cas.envelope.packing import pack
from mandala_cas.errors import UsageError
from mandala_cas.testing import DecodeProcess, Fate, Outcome, Sample, fuzz, mutations

if sys.platform == "win32":
    pytest.skip("signals end a process on POSIX only", allow_module_level=True)

REGISTRY = "tests.unit.testing.misbehaving_codecs:misbehaving_registry"


def sample(payload: bytes) -> Sample:
    """Return a sample of the codec that does what its payload says."""
    return Sample("misbehaving", 1, pack({"note": "a"}), payload)


@pytest.fixture(scope="module")
def process() -> Iterator[DecodeProcess]:
    """Return a process with that codec."""
    with DecodeProcess(REGISTRY) as started:
        yield started


@pytest.mark.parametrize(
    ("deed", "fate", "name"),
    [
        (b"nothing", Fate.VALUE, "bytes"),
        (b"refuse", Fate.REFUSED, "UsageError"),
        (b"exit", Fate.ESCAPED, "SystemExit"),
        (b"abort", Fate.DIED, "SIGABRT"),
        (b"leave", Fate.DIED, "exit status 3"),
        (b"hang", Fate.HUNG, "SIGPROF"),
    ],
)
def test_what_a_decoder_does_is_told(
    process: DecodeProcess, deed: bytes, fate: Fate, name: str
) -> None:
    """And whatever it did, the next one is decoded."""
    outcome = process.decode(sample(deed))

    assert (outcome.fate, outcome.name) == (fate, name)
    assert process.decode(sample(b"after")).fate is Fate.VALUE


@pytest.mark.skipif(sys.platform != "linux", reason="memory is watched on Linux only")
def test_memory_is_watched_and_limited(process: DecodeProcess) -> None:
    """Also such as was given back before the decoder returned."""
    small, large, huge = (process.decode(sample(deed)) for deed in (b"none", b"use", b"take"))

    assert small.growth < 8 << 20
    assert large.growth > 60 << 20
    assert (huge.fate, huge.name) == (Fate.ESCAPED, "MemoryError")
    assert process.decode(sample(b"take"), is_true=True).fate is Fate.VALUE


def test_findings_are_what_no_bytes_may_do() -> None:
    """A mutation of true bytes that ends the process, among many that do not."""

    class Staged(DecodeProcess):
        """Says what a test wants it to."""

        def decode(self, sample: Sample, *, is_true: bool = False) -> Outcome:
            """Die of long payloads, and take memory for short ones."""
            if is_true or len(sample.payload) == 4:
                return Outcome(Fate.VALUE, "bytes")
            if len(sample.payload) > 4:
                return Outcome(Fate.DIED, "SIGSEGV")
            return Outcome(Fate.REFUSED, "CorruptionError", growth=1 << 30)

    with Staged() as staged:
        report = fuzz(staged, [sample(b"true")], count=200, seed=5)

    assert report.fates.total() == 200
    assert len(report.findings) == report.fates[Fate.DIED] + report.fates[Fate.REFUSED] > 0
    assert all(len(found.sample.payload) != 4 for found in report.findings)
    assert "seed 5" in str(report)
    assert "SIGSEGV" in str(report)


def test_a_sample_that_does_not_come_back_is_the_callers_mistake(process: DecodeProcess) -> None:
    """Near misses of nothing say nothing."""
    with pytest.raises(UsageError, match="mend the sample"):
        fuzz(process, [sample(b"refuse")], count=1, seed=0)


def test_a_seed_gives_the_same_near_misses_again() -> None:
    """Or nobody could see a finding a second time; and most of them are no true bytes."""
    samples = [sample(bytes(range(100))), sample(b"")]

    first, again = (list(islice(mutations(samples, random.Random(3)), 300)) for _ in range(2))  # noqa: S311 (a sample)

    assert first == again
    assert sum(found in samples for found in first) < 100
    assert {found.header for found in first} != {samples[0].header}
