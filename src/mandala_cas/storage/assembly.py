"""What a storage is made of: the layers below, joined once, when a store is opened."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.files import find_kept
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.codec.tracked_files import is_in_place
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.kept import KeptIndex, should_rewrite, write_kept_index
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.journal import Journal
from mandala_cas.log.orphans import Place
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import ValueRecord
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import ContentId, KeyId, WriterId
from mandala_cas.model.refs import RefLoader
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.mounts import capabilities_of, file_system_of
from mandala_cas.storage.book import BookRules, StoredCalls
from mandala_cas.storage.config import StoreConfig
from mandala_cas.storage.elsewhere import ValuesElsewhere
from mandala_cas.storage.keyring import Key, user_key
from mandala_cas.storage.opening import OpenedStore, open_store
from mandala_cas.storage.places import LocalPlaces, local_places
from mandala_cas.storage.session import SessionDescription
from mandala_cas.storage.settings import Settings
from mandala_cas.storage.sources import Sources
from mandala_cas.storage.trusted_keys import TrustedKeys, default_trusted_keys
from mandala_cas.storage.whole_log import WholeLog
from mandala_cas.upkeep.reporting.monitor import UpkeepMonitor
from mandala_cas.values.adoption import Adoption, adopt_orphans
from mandala_cas.values.condemned import CondemnedNames
from mandala_cas.values.creators import Creators
from mandala_cas.values.file_cache import FileCache
from mandala_cas.values.freed import PromisedAmong, nothing_promised
from mandala_cas.values.load import ValueLoader, ValueSource
from mandala_cas.values.recorder import Recorder, RecorderRules
from mandala_cas.values.resettling import read_copy
from mandala_cas.values.save import ValueEncoder
from mandala_cas.values.spool import Spool
from mandala_cas.values.stored import StoredValues
from mandala_cas.values.trust import Trust
from mandala_cas.values.unreadable import UnreadablePlaces

# How old a view may be when a block is entered: a listing costs microseconds in a directory and
# tens of milliseconds on a bucket.
_STALE_NEAR_S: Final = 0.5
_STALE_REMOTE_S: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """The parts of an opened store, each of which knows only what is below it.

    ``read_only`` says why nothing can be written, if so. Where nothing is signed, ``key`` is None,
    and so are ``trusted_keys``.
    """

    objects: ObjectStore
    config: StoreConfig
    read_only: str | None
    places: LocalPlaces
    files: FileCache
    key: Key | None
    trusted_keys: TrustedKeys | None
    codecs: CodecRegistry
    view: LogView
    base: KeptIndex | None
    lookup: CallLookup
    recorder: Recorder
    trust: Trust
    elsewhere: ValuesElsewhere | None
    monitor: UpkeepMonitor
    session: SessionDescription
    log: WholeLog
    book: StoredCalls

    def keep_index(self) -> None:
        """Keep what was read of the log where that makes the next opening cheaper."""
        if self.places.index is None or not should_rewrite(self.base, self.view.parts.values()):
            return
        write_kept_index(
            self.places.index, list(self.view.parts.values()), self.view.object_names()
        )

    def has_value(self, content_id: ContentId) -> bool:
        """Tell whether the value is in the batch or on record here."""
        return self.recorder.is_held(content_id) or self.lookup.has_value(content_id)

    def trusts(self, key_id: KeyId | None) -> bool:
        """Tell whether this user relies on what was signed with this key, or not signed.

        That is so of the user's own key, and of those that the user trusts.
        """
        if self.key is None or key_id is None:
            return self.owns(key_id)
        return self.trust.knows(key_id)

    def owns(self, key_id: KeyId | None) -> bool:
        """Tell whether a log object signed with this key, or not signed, is this user's own."""
        if self.key is None:
            return key_id is None
        return key_id is not None and key_id == self.key.key_id()

    def key_names(self) -> dict[str, str]:
        """Return how the user calls keys, by their ids; the user's own is "yourself"."""
        keys = () if self.trusted_keys is None else self.trusted_keys.all()
        names = {str(key.key_id): key.name for key in keys if key.name is not None}
        own = None if self.key is None else self.key.key_id()
        return names if own is None else {**names, str(own): "yourself"}

    @property
    def promised_among(self) -> PromisedAmong:
        """What picks the values that are not here because another store holds them."""
        return nothing_promised if self.elsewhere is None else self.elsewhere.promised_among

    def adopt(self) -> Adoption | None:
        """Commit what dead processes of this user did not come to; None where there is no journal.

        A process that only reads adopts nothing, and neither does one that has no key yet: nothing
        of its own can lie there.
        """
        local, key = self.places.local, self.key
        if self.read_only is not None or local is None or key is None or key.key_id() is None:
            return None
        return adopt_orphans(
            Place(
                local,
                key.derive(_journal_context(self.config)),
                # Where other hosts may write, a lock that is free here may be held there.
                is_shared=not capabilities_of(file_system_of(local)).strong_list,
            ),
            recorder=self.recorder,
            is_published=self._is_published,
            has_value=self.lookup.has_value,
            is_there=lambda record: read_copy(BlobStore(self.objects), [record]) is not None,
        )

    def _is_published(self, position: tuple[WriterId, int]) -> bool:
        """Tell whether a segment of this writer and number is in the log."""
        prefix = position[0] + position[1].to_bytes(4, "big")
        return any(
            segment_id.startswith(prefix)
            for part in self.view.parts.values()
            for segment_id in part.segment_ids
        )


def assemble(settings: Settings, loader: RefLoader) -> Assembly:
    """Open the store, or make it, read its log, and join what is needed to use it.

    ``loader`` is what the refs handed out load their values with.
    """
    opened = open_store(
        settings.where, settings.storage_options, mode=settings.mode, engine=settings.engine
    )
    objects = opened.objects
    persistent = objects.capabilities.persistent
    # What was given is checked in any case, and what is in the environment where it is used.
    key = user_key(settings.key) if persistent or settings.key is not None else None
    if not persistent:
        key = None
    trusted_keys = default_trusted_keys() if persistent else None
    places = local_places(objects, opened.config.uuid, settings.cache_directory)
    view, lookup, base = _read_log(objects, places)
    files = FileCache(places.files, None if places.files is None else settings.file_cache_max)
    ground = _Ground(
        opened=opened,
        key=key,
        blobs=BlobStore(objects),
        files=files,
        codecs=default_registry(files),
        view=view,
        lookup=lookup,
        trust=Trust(
            settings.pickle,
            key.key_id if key is not None else _no_key,
            is_trusted=lambda key: trusted_keys is not None and trusted_keys.is_trusted(key),
            name_of=lambda key: None if trusted_keys is None else trusted_keys.name_of(key),
            unsigned_is_own=not persistent,
            # Asked when something is refused, and then everything is there.
            origins_of=lambda content_ids: book.origins_of(content_ids),  # noqa: PLW0108 (made below)
        ),
        journal=_journal(opened, key, places),
        elsewhere=_elsewhere(opened, key, places),
        unreadable=UnreadablePlaces(),
    )
    sources = Sources(objects, view)
    session = SessionDescription(sources)
    writer = LogWriter(objects, signer=key, session=session, clock_us=now_us)
    recorder = ground.make_recorder(writer, settings.flush_after_s)
    log = WholeLog(view, recorder)
    book = ground.make_book(writer, recorder, log, loader, sources=sources, rules=_rules(settings))
    return Assembly(
        objects=objects,
        config=opened.config,
        read_only=opened.read_only,
        places=places,
        files=files,
        key=key,
        trusted_keys=trusted_keys,
        codecs=ground.codecs,
        view=view,
        base=base,
        lookup=lookup,
        recorder=recorder,
        trust=ground.trust,
        elsewhere=ground.elsewhere,
        monitor=UpkeepMonitor(),
        session=session,
        log=log,
        book=book,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What recording and loading stand on, and how they are made from it."""

    opened: OpenedStore
    key: Key | None
    blobs: BlobStore
    files: FileCache
    codecs: CodecRegistry
    view: LogView
    lookup: CallLookup
    trust: Trust
    journal: Journal | None
    elsewhere: ValuesElsewhere | None
    unreadable: UnreadablePlaces

    def may_vouch(self, copy: ValueCopy) -> bool:
        """Tell whether this user may say where a value is on the word of this copy.

        What a segment of the user's says of a pickle makes it the user's own, for ever and for
        all who trust the user; ``pickle="allow"`` is no such promise.
        """
        name = copy.record.codec_name
        if self.codecs.may_run_code(name):
            return self.trust.vouches_quietly(copy)
        return not (self.codecs.is_fragile(name) and copy.is_forged())

    def find_kept(self, record: ValueRecord) -> File | Dir | None:
        """Return a value that this machine has as files already."""
        return find_kept(self.files, record.codec_name, record.codec_header, record.content_id)

    def make_recorder(self, writer: LogWriter, flush_after_s: float) -> Recorder:
        """Return what holds and commits what is computed."""
        objects = self.opened.objects
        recorder = Recorder(
            blobs=self.blobs,
            writer=writer,
            view=self.view,
            lookup=self.lookup,
            rules=RecorderRules(
                flush_after_us=flush_after_s * 1e6,
                writes=self.opened.read_only is None,
                stale_after_s=_STALE_REMOTE_S if "://" in objects.url else _STALE_NEAR_S,
                may_vouch=self.may_vouch,
            ),
            condemned=CondemnedNames(
                Announcements(objects),
                nothing_promised if self.elsewhere is None else self.elsewhere.promised_among,
            ),
            is_readable=lambda copy: copy not in self.unreadable,
            journal=self.journal,
        )
        # What is about to be deleted is not relied on from the first call on.
        recorder.condemned.update(self.view.listing.announcements)
        return recorder

    def make_book(
        self,
        writer: LogWriter,
        recorder: Recorder,
        log: WholeLog,
        loader: RefLoader,
        *,
        sources: Sources,
        rules: BookRules,
    ) -> StoredCalls:
        """Return the calls on record, as the memoizer sees them."""
        condemned, journal = recorder.condemned, self.journal
        encoder = ValueEncoder(
            self.blobs,
            self.codecs,
            StoredValues(
                self.blobs,
                self.lookup,
                is_held=recorder.is_held,
                may_rely=lambda c: (
                    c.record.location not in condemned
                    and self.may_vouch(c)
                    and is_in_place(c.record.codec_name, c.record.codec_header)
                ),
                hides_records=log.hides_records,
                unreadable=self.unreadable,
            ),
            nonce_for=self.unreadable.nonce_for,
            writes=self.opened.read_only is None,
            spool=None if journal is None else Spool(journal, lambda: writer.position.writer),
            is_condemned=condemned.__contains__,
        )
        source = ValueSource(
            held=recorder.held,
            copies=self.lookup.copies,
            is_known=self.lookup.has_value,
            refresh=recorder.refresh,
            kept=self.find_kept,
            promised=self.elsewhere,
        )
        return StoredCalls(
            lookup=self.lookup,
            recorder=recorder,
            encoder=encoder,
            values=ValueLoader(self.blobs, self.codecs, source, self.trust, self.unreadable),
            creators=Creators(log.parts, self.lookup.dots),
            loader=loader,
            clock_us=now_us,
            sources=sources,
            rules=rules,
        )


def _rules(settings: Settings) -> BookRules:
    """Return what the user said of all ops."""
    return BookRules(
        checks_mutation=settings.check_mutation,
        records_failures=settings.record_failures,
        on_stale=settings.on_stale,
        namespace=settings.namespace or "",
    )


def _journal(opened: OpenedStore, key: Key | None, places: LocalPlaces) -> Journal | None:
    """Return where calls are kept until they are committed; None for what is not to outlive us."""
    if opened.read_only is not None or key is None or places.local is None:
        return None
    return Journal(places.local, partial(key.derive, _journal_context(opened.config)))


def _elsewhere(opened: OpenedStore, key: Key | None, places: LocalPlaces) -> ValuesElsewhere | None:
    """Return what other stores hold for this one; None for one that is not to outlive us."""
    if key is None or places.local is None:
        return None
    context = f"mandala-cas v1 promises to store {opened.config.uuid}"
    return ValuesElsewhere(places.local / "config.json", partial(key.derive, context))


def _journal_context(config: StoreConfig) -> str:
    """Return what makes the key of a store's journals differ from that of any other."""
    return f"mandala-cas v1 journal of store {config.uuid}"


def _read_log(
    objects: ObjectStore, places: LocalPlaces
) -> tuple[LogView, CallLookup, KeptIndex | None]:
    """Return the log as it is now, and what finds calls in it; read from what was kept, if it can.

    What was kept is refused where the store no longer has what it was made from.
    """
    base = None if places.index is None else KeptIndex.open(places.index)
    view = LogView(objects, base)
    new = view.refresh()
    if view.base_refused:
        base = None
    lookup = CallLookup(base)
    lookup.add_parts(new)
    return view, lookup, base


def now_us() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1000


def _no_key() -> None:
    """Return that there is no key."""
