"""Fuzzing of decoders: a process decodes near misses, and what comes of each is kept.

A decoder that somebody wrote in C may take its process along, so it has one of its own, which is
started again when it dies::

    with DecodeProcess() as process:
        report = fuzz(process, samples, count=1000, seed=0)
    assert not report.findings, str(report)
"""

from __future__ import annotations

import enum
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Self

from mandala_cas.errors import UsageError
from mandala_cas.testing.mutations import Sample, mutations
from mandala_cas.testing.pipes import receive, send

OWN_REGISTRY: Final = "mandala_cas.testing.decode_worker:own_registry"
# What an interpreter takes for itself now and then, modules that are imported late included.
SLACK: Final = 16 << 20
# Address space is handed out in larger steps than memory: stacks, arenas, maps.
_ADDRESS_SLACK: Final = 256 << 20
_WORKER: Final = "mandala_cas.testing.decode_worker"
_SHOWN: Final = 120
_HUNG: Final = {getattr(signal, name, None) for name in ("SIGPROF", "SIGALRM")}


class Fate(enum.Enum):
    """What can come of bytes that are decoded."""

    VALUE = "value"
    REFUSED = "refused"
    """A ``MandalaError``."""
    ESCAPED = "escaped"
    """Any other exception, one of too much memory included."""
    DIED = "died"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one sample; ``growth`` is the peak of memory above what there was before."""

    fate: Fate
    name: str
    text: str = ""
    growth: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A sample that did something which no bytes may do."""

    sample: Sample
    outcome: Outcome
    number: int

    def __str__(self) -> str:
        """Say what it did, and all that it takes to see it again."""
        sample, outcome = self.sample, self.outcome
        return (
            f"#{self.number} of codec {sample.codec_name!r}: {outcome.fate.value} "
            f"{outcome.name} {outcome.text}, {outcome.growth} bytes more for {sample.claimed_size}"
            f"; header {sample.header[:_SHOWN].hex()}, payload of {len(sample.payload)} bytes "
            f"{sample.payload[:_SHOWN].hex()}"
        )


@dataclass(slots=True)
class FuzzReport:
    """What came of many samples."""

    seed: int
    fates: Counter[Fate] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        """Say how many came to what, and what was found."""
        counts = ", ".join(f"{count} {fate.value}" for fate, count in self.fates.items())
        found = "".join(f"\n{finding}" for finding in self.findings)
        return f"seed {self.seed}: {counts}{found}"


class DecodeProcess:
    """A process that decodes samples; when one kills it, the next has another.

    Memory is watched and limited on Linux, time on everything but Windows.
    """

    def __init__(
        self, registry: str = OWN_REGISTRY, *, address_slack: int = _ADDRESS_SLACK
    ) -> None:
        """Decode with what ``registry``, a ``"module:function"``, returns for a folder.

        ``address_slack`` is how much address space decoding may take beyond twice the claim.
        """
        self._registry = registry
        self._address_slack = address_slack
        self._folder = tempfile.TemporaryDirectory(
            prefix="mandala-cas-fuzzing-", ignore_cleanup_errors=True
        )
        self._errors = Path(self._folder.name, "errors.txt")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Return this; the process starts with the first sample."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and remove what it wrote."""
        self._end()
        self._folder.cleanup()

    def decode(self, sample: Sample, *, is_true: bool = False) -> Outcome:
        """Decode a sample in the process, and return what came of it.

        One that ``is_true`` may take any memory: the first of a codec has libraries imported.
        """
        process = self._started()
        assert process.stdin is not None, "the process has pipes"
        assert process.stdout is not None, "the process has pipes"
        request = {
            "codec_name": sample.codec_name,
            "codec_version": sample.codec_version,
            "header": sample.header,
            "payload": sample.payload,
            "memory_max": None if is_true else 2 * sample.claimed_size + self._address_slack,
        }
        try:
            send(process.stdin, request)
            said = receive(process.stdout)
        except BrokenPipeError:
            said = None
        if said is None:
            return self._dead()
        return Outcome(Fate(said["fate"]), said["name"], said["text"], said["growth"])

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the process, started if there is none."""
        if self._process is None:
            command = [sys.executable, "-m", _WORKER, self._registry, self._folder.name]
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(  # noqa: S603 (this interpreter)
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
                )
        return self._process

    def _dead(self) -> Outcome:
        """Return how the process ended."""
        status = self._end()
        said = self._errors.read_text(encoding="utf-8", errors="replace").strip()[-300:]
        if status >= 0:
            return Outcome(Fate.DIED, f"exit status {status}", said)
        name = signal.Signals(-status).name
        fate = Fate.HUNG if -status in _HUNG else Fate.DIED
        return Outcome(fate, name, said)

    def _end(self) -> int:
        """End the process by closing its pipes, and return its status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(BrokenPipeError), process:
            # Closes the pipes, and waits.
            pass
        return process.returncode


def fuzz(
    process: DecodeProcess,
    samples: Sequence[Sample],
    *,
    count: int,
    seed: int,
    slack: int = SLACK,
) -> FuzzReport:
    """Decode ``count`` near misses of ``samples``, which are of one codec.

    A finding is what is neither a value nor a ``MandalaError``, or took more than twice the
    claimed size and ``slack`` bytes of memory.
    """
    report = FuzzReport(seed)
    _read_all(process, samples)
    draw = random.Random(seed)  # noqa: S311 (a sample)
    for number, sample in enumerate(islice(mutations(samples, draw), count)):
        outcome = process.decode(sample)
        report.fates[outcome.fate] += 1
        is_large = outcome.growth > 2 * sample.claimed_size + slack
        if outcome.fate not in {Fate.VALUE, Fate.REFUSED} or is_large:
            report.findings.append(Finding(sample, outcome, number))
        if outcome.fate in {Fate.DIED, Fate.HUNG}:
            _read_all(process, samples)
    return report


def _read_all(process: DecodeProcess, samples: Sequence[Sample]) -> None:
    """Decode what is true: a new process imports all that it will need.

    Raises:
        UsageError: it does not come back, and so no near miss of it says anything.
    """
    for sample in samples:
        outcome = process.decode(sample, is_true=True)
        if outcome.fate is not Fate.VALUE:
            raise UsageError(
                f"cannot fuzz codec {sample.codec_name!r}: a sample as it was written gives "
                f"{outcome.name}: {outcome.text}; mend the sample, or have the registry import "
                "the modules that it names"
            )
