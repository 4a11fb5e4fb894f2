"""What the memoizer asks of a storage: the calls on record, and the values they name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from mandala_cas.memo.settings import OnStale
from mandala_cas.model.collections import Collection as StoredCollection
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId, SourceHash
from mandala_cas.model.outcomes import Outcome
from mandala_cas.model.refs import Ref, RefLoader
from mandala_cas.versions.texts import SourceText

Hasher = Callable[[Any], Any]


class Prepared(Protocol):
    """A value whose bytes were taken, to be recorded with a call, or dropped."""

    @property
    def content_id(self) -> ContentId:
        """What the value is."""
        ...

    @property
    def record(self) -> object:
        """What there is to write of it; None where the book has it already."""
        ...

    @property
    def may_hold_files(self) -> bool:
        """Whether files may be in it, which lie elsewhere once the book has them."""
        ...


class Impression(Protocol):
    """What a value was like at some moment."""

    def change_in(self, value: Any) -> str | None:
        """Return where ``value`` is not like that any more, None if it is.

        As it would be written behind the value's name; empty where no part can be named.
        """
        ...


class CallBook(Protocol):
    """The calls on record, as the memoizer sees them. Several threads may ask at once."""

    @property
    def loader(self) -> RefLoader:
        """What refs of this book load their values with; the same object every time."""
        ...

    @property
    def checks_mutation(self) -> bool:
        """Whether ops are to be held to leaving their inputs as they are."""
        ...

    @property
    def allows_new_calls(self) -> bool:
        """Whether a call that is not on record may run."""
        ...

    @property
    def records_failures(self) -> bool:
        """Whether failures are put on record of ops that do not say."""
        ...

    @property
    def namespace(self) -> str:
        """What stands before the names of ops on record, and a slash; empty for nothing."""
        ...

    @property
    def on_stale(self) -> OnStale:
        """What is done where other code gave what is on record, if the op does not say."""
        ...

    def keep_source(
        self, source_hash: SourceHash, text_of: Callable[[], SourceText | None]
    ) -> None:
        """Have the source of an op on record, beside the calls that are recorded next."""
        ...

    def find_source(self, source_hash: SourceHash) -> SourceText | None:
        """Return the source that has a hash, as its writer put it on record.

        It may read the log, and anybody may have written it: it is only good to be shown.
        """
        ...

    def content_id(self, value: Any, hasher: Hasher | None = None) -> ContentId:
        """Return what ``value`` is; ``hasher`` decides it in place of the value's type.

        Raises:
            UsageError: it, or a part of it, cannot be hashed; ``path`` in the details says which
                part, as it would be written behind the value's name. A ref inside a value is such
                a part.
        """
        ...

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the call of this history."""
        ...

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return a call of this content, whatever its history."""
        ...

    def look_again(self, op_name: str) -> bool:
        """Take in what others published if running the op costs far more; tell whether so.

        Called on a miss. A book that nobody else writes to need not look.
        """
        ...

    def may_have(self, op_name: str) -> bool:
        """Tell whether a call of this op may be on record, as cheaply as can be."""
        ...

    def load(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Any]:
        """Return the values of ``refs``, fetched together.

        With ``mmap``, a large one may be a private map of a file; it can be changed all the same.

        Raises:
            NotFoundError: one of them is not in this book.
            CorruptionError: one is on record, and could neither be read nor computed again.
        """
        ...

    def load_each(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Outcome]:
        """Return for each of ``refs`` its value or what is wrong with it, fetched together.

        A CorruptionError is that of a value which is on record and cannot be read. Nothing is
        computed.
        """
        ...

    def creators(self, ref: Ref) -> Sequence[CallRecord]:
        """Return calls on record that gave the value of ``ref``, that of its history first."""
        ...

    def impression(self, value: Any, hasher: Hasher | None = None) -> Impression:
        """Remember what ``value`` is like, to tell later whether it was changed.

        Raises:
            UsageError: it cannot be hashed.
        """
        ...

    def check_codec(self, codec_name: str) -> None:
        """Refuse a codec that ``prepare`` would not know.

        Raises:
            UsageError: saying which there are.
        """
        ...

    def prepare(
        self,
        value: Any,
        content_id: ContentId | None = None,
        codec_name: str | None = None,
        *,
        hasher: Hasher | None = None,
        is_ref: bool = False,
    ) -> Prepared:
        """Take the bytes of ``value``; what is done to it afterwards changes nothing.

        ``content_id`` spares the hashing where the caller knows it: as what ``content_id`` gave
        with this ``hasher``, or with ``is_ref`` as that of a ref. ``codec_name`` is the one codec
        to use. Nothing is on record yet, and a value that the book has already costs little.

        Raises:
            UsageError: the value cannot be stored; the message gives the reason.
        """
        ...

    def collections_below(
        self, content_ids: Sequence[ContentId]
    ) -> Mapping[ContentId, StoredCollection]:
        """Return what is stored of the collections among some values, and of those in them.

        No value of an element is loaded that is no collection.

        Raises:
            CorruptionError: what is stored of one cannot be read.
        """
        ...

    def record(
        self,
        call: CallRecord,
        values: Sequence[Prepared],
        structural: Sequence[CallRecord] = (),
        *,
        replaces: Collection[CallId] = (),
    ) -> None:
        """Put the call on record, and the values before it: all or nothing.

        ``values`` are what ``prepare`` of this book gave. Recording twice is harmless.
        ``structural`` are the calls that tie its collections to their elements; those that are on
        record already are not recorded again. The records there are now of the calls in
        ``replaces`` count no more: a crash leaves them, or this one.
        """
        ...

    def forget(self, call_ids: Collection[CallId]) -> None:
        """Have the records there are now of these calls count no more."""
        ...

    def record_again(
        self,
        call: CallRecord,
        values: Sequence[Prepared],
        lost: Collection[ContentId],
        structural: Sequence[CallRecord] = (),
    ) -> None:
        """Put a call on record that was there; its records that gave ``lost`` count no more.

        So it is with the structural calls that belong to it. What a crash leaves is the old
        records, or the new ones, or both.
        """
        ...

    def mark_lost(self, call_id: CallId, lost: Collection[ContentId]) -> None:
        """Count the records of a call that gave ``lost`` as lost, so that it is made again."""
        ...

    def now_us(self) -> int:
        """Return microseconds since 1970 (UTC)."""
        ...
