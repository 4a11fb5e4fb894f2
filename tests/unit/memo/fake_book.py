"""A ``CallBook`` of a few dicts, with no cleverness."""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
from blake3 import blake3

from mandala_cas.errors import CorruptionError, NotFoundError, UsageError
from mandala_cas.memo.book import Hasher
from mandala_cas.memo.settings import OnStale
from mandala_cas.model.collection_refs import REF_CLASSES
from mandala_cas.model.collections import Collection as StoredCollection
from mandala_cas.model.collections import plain_container
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId, HistoryId, SourceHash
from mandala_cas.model.outcomes import Loaded, Outcome
from mandala_cas.model.pointers import Pointer
from mandala_cas.model.refs import MISSING, AtomRef, Elements, Ref
from mandala_cas.versions.texts import SourceText

MICROSECONDS_A_TICK = 7
_BY_REPR = (bool, int, float, str, type, Pointer)


@dataclass(frozen=True)
class FakePrepared:
    """A copy of a value, made when it was prepared."""

    content_id: ContentId
    value: Any
    may_hold_files: bool = False
    record: object = None


@dataclass(frozen=True)
class FakeImpression:
    """The id that a value had."""

    content_id: ContentId
    hasher: Hasher | None

    def change_in(self, value: Any) -> str | None:
        """Compare the ids; name no part."""
        now = value if self.hasher is None else ("custom", self.hasher(value))
        return None if content_id_of(now) == self.content_id else ""


class FakeCollections(ABC):
    """What a book says of collections, from the values that it holds."""

    values: dict[ContentId, Any]

    @abstractmethod
    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value of a ref."""

    def collections_below(
        self, content_ids: Sequence[ContentId]
    ) -> Mapping[ContentId, StoredCollection]:
        """Look through all values."""
        found: dict[ContentId, StoredCollection] = {}
        waiting = list(content_ids)
        while waiting:
            content_id = waiting.pop()
            value = self.values.get(content_id)
            if isinstance(value, StoredCollection):
                found[content_id] = value
                waiting += value.element_ids
        return found

    def load_elements(self, ref: Ref) -> Elements:
        """Know no histories: tests of storages ask for them."""
        raise UsageError(f"{self!r} does not know the elements of {ref!r}")

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of this book."""
        stored = self.values.get(content_id)
        make = REF_CLASSES[stored.kind] if isinstance(stored, StoredCollection) else AtomRef
        return make(history_id, content_id, value, self)


class FakeBook(FakeCollections):
    """Calls and values in dicts; counts what it is asked."""

    def __init__(self, name: str = "fake") -> None:
        """Start with nothing on record."""
        self.name = name
        self.loader = self
        self.calls: dict[CallId, CallRecord] = {}
        self.values: dict[ContentId, Any] = {}
        self.lost: set[ContentId] = set()
        self.asked: Counter[str] = Counter()
        self.checks_mutation = False
        self.allows_new_calls = True
        self.records_failures = False
        self.on_stale: OnStale = "warn"
        self.namespace = ""
        self.sources: dict[SourceHash, SourceText | None] = {}
        self.replaced: list[CallId] = []
        self.codecs = {"words"}
        self.codecs_used: list[tuple[Any, str | None]] = []
        self._ticks = 0

    def content_id(self, value: Any, hasher: Hasher | None = None) -> ContentId:
        """Hash a text that tells values apart."""
        self.asked["content_id"] += 1
        return content_id_of(value if hasher is None else ("custom", hasher(value)))

    def keep_source(
        self, source_hash: SourceHash, text_of: Callable[[], SourceText | None]
    ) -> None:
        """Keep it."""
        self.sources[source_hash] = text_of()

    def find_source(self, source_hash: SourceHash) -> SourceText | None:
        """Look it up."""
        self.asked["find_source"] += 1
        return self.sources.get(source_hash)

    def impression(self, value: Any, hasher: Hasher | None = None) -> FakeImpression:
        """Remember the id."""
        return FakeImpression(self.content_id(value, hasher), hasher)

    def check_codec(self, codec_name: str) -> None:
        """Know one."""
        if codec_name not in self.codecs:
            raise UsageError(f"there is no codec named {codec_name!r}")

    def find(self, call_id: CallId) -> CallRecord | None:
        """Look it up."""
        self.asked["find"] += 1
        return self.calls.get(call_id)

    def look_again(self, op_name: str) -> bool:
        """Nobody else writes here."""
        del op_name
        self.asked["look_again"] += 1
        return False

    def may_have(self, op_name: str) -> bool:
        """Look through all calls."""
        return any(call.op_name == op_name for call in self.calls.values())

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Look through all calls."""
        self.asked["find_equal"] += 1
        equal = (call for call in self.calls.values() if call.content_id == content_id)
        return next(equal, None)

    def load(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Any]:
        """Return copies, as bytes would give."""
        del mmap
        self.asked["load"] += 1
        self.asked["values"] += len(refs)
        return [self._copy(ref) for ref in refs]

    def load_each(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Outcome]:
        """Return copies, or what is wrong."""
        del mmap
        return [self._outcome(ref) for ref in refs]

    def creators(self, ref: Ref) -> list[CallRecord]:
        """Look through all calls."""
        giving = [
            call
            for call in self.calls.values()
            if any(slot.content_id == ref.content_id for slot in call.outputs)
        ]
        return sorted(
            giving,
            key=lambda call: all(slot.history_id != ref.history_id for slot in call.outputs),
        )

    def record_again(
        self,
        call: CallRecord,
        values: Sequence[Any],
        lost: Collection[ContentId],
        structural: Sequence[CallRecord] = (),
    ) -> None:
        """Forget the old ones, and put them down."""
        self.mark_lost(call.call_id, lost)
        self.record(call, values, structural)
        self.lost -= {prepared.content_id for prepared in values}

    def mark_lost(self, call_id: CallId, lost: Collection[ContentId]) -> None:
        """Forget it if it gave one of them."""
        self.asked["mark_lost"] += 1
        if {slot.content_id for slot in self.calls[call_id].outputs} & set(lost):
            del self.calls[call_id]

    def load_ref_value(self, ref: Ref) -> Any:
        """Return a copy."""
        self.asked["load_ref_value"] += 1
        return self._copy(ref)

    def prepare(
        self,
        value: Any,
        content_id: ContentId | None = None,
        codec_name: str | None = None,
        *,
        hasher: Hasher | None = None,
        is_ref: bool = False,
    ) -> FakePrepared:
        """Copy the value now. Locks, generators and refs cannot be stored."""
        del hasher, is_ref
        self.asked["prepare"] += 1
        self.codecs_used.append((value, codec_name))
        if content_id is None:
            content_id = content_id_of(value)
        is_known = content_id in self.values and content_id not in self.lost
        return FakePrepared(
            content_id, copy.deepcopy(value), record=None if is_known else "to be written"
        )

    def record(
        self,
        call: CallRecord,
        values: Sequence[Any],
        structural: Sequence[CallRecord] = (),
        *,
        replaces: Collection[CallId] = (),
    ) -> None:
        """Put them down in the place of others; of one that is there already, the first stays."""
        self.asked["record"] += 1
        self.asked["replaced"] += len(replaces)
        self.replaced += [call_id for call_id in replaces if call_id == call.call_id]
        for call_id in replaces:
            self.calls.pop(call_id, None)
        self.values |= {prepared.content_id: prepared.value for prepared in values}
        for record in (call, *structural):
            self.calls.setdefault(record.call_id, record)

    def forget(self, call_ids: Collection[CallId]) -> None:
        """Know them no more."""
        self.asked["forget"] += 1
        for call_id in call_ids:
            self.calls.pop(call_id, None)

    def now_us(self) -> int:
        """Move on by a tick with every look at the clock."""
        self._ticks += MICROSECONDS_A_TICK
        return self._ticks

    def only_call(self) -> CallRecord:
        """Return the one call on record."""
        (call,) = self.calls.values()
        return call

    def __repr__(self) -> str:
        """Return what messages call this store."""
        return f"FakeBook({self.name})"

    def _outcome(self, ref: Ref) -> Outcome:
        """Return a copy, unless the value is lost or was never here."""
        if ref.content_id in self.lost:
            return CorruptionError(f"value {ref.content_id.short} is gone")
        try:
            return Loaded(self._copy(ref))
        except NotFoundError as error:
            return error

    def _copy(self, ref: Ref) -> Any:
        """Return a copy of a value."""
        return self._copied(ref.content_id)

    def _copied(self, content_id: ContentId) -> Any:
        """Return a copy of a value; a collection as the container of its elements."""
        if content_id not in self.values:
            raise NotFoundError(f"no value {content_id.short} in {self!r}")
        value = self.values[content_id]
        if isinstance(value, StoredCollection):
            parts = [self._copied(id_) for id_ in value.element_ids]
            return plain_container(value.kind, value.keys, parts)
        return copy.deepcopy(value)


def content_id_of(value: Any) -> ContentId:
    """Return the content id of a value of the few types that these tests use."""
    text = b"|".join(_parts(value, ""))
    return ContentId(blake3(text, derive_key_context="mandala-cas tests").digest())


def _parts(value: Any, path: str) -> Iterator[bytes]:
    """Yield what tells values apart; refuse the rest as the real thing does."""
    yield type(value).__qualname__.encode()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str}{value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, pd.DataFrame):
        yield value.to_json().encode()
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            yield repr(key).encode()
            yield from _parts(value[key], f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _parts(item, f"{path}[{position}]")
    elif isinstance(value, type(threading.Lock()) | Iterator | Ref):
        kind = type(value).__name__
        raise UsageError(f"found a {kind}; pass what it is made of instead", path=path)
    elif value is None or is_dataclass(value) or isinstance(value, _BY_REPR):
        yield repr(value).encode()
    else:
        raise UsageError(f"found a {type(value).__name__}", path=path)
