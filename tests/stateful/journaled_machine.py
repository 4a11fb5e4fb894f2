"""The same processes with a journal and keys, and a second store that holds values as well."""

from __future__ import annotations

from hypothesis.stateful import rule
from tests.stateful.memories import KeptMemory
from tests.stateful.processes import large, medium, numbers, writers
from tests.stateful.storage_machine import StorageMachine

from mandala_cas.imports import Storage
from mandala_cas.testing import ModelCall


class JournaledMachine(StorageMachine):
    """What a process that dies had recorded is committed by whoever opens the store next."""

    def __init__(self) -> None:
        """Begin with a second store that is empty as well."""
        self.other = KeptMemory("memory://there")
        self.dead: dict[int, ModelCall] = {}
        self.is_mirrored = False
        super().__init__()

    def make_store(self) -> KeptMemory:
        """Return an empty store that outlives processes."""
        return KeptMemory("memory://here")

    @rule(x=numbers)
    def mirror(self, x: int) -> None:
        """Make calls in the second store, too."""
        storage = Storage(self.other, cache_dir=self.folder.name)
        with storage:
            medium(x)
            large(x)
        storage.close()
        self.is_mirrored = True

    @rule(name=writers)
    def evict(self, name: str) -> None:
        """Free what the second store holds; it stays as readable as it was."""
        if not self.is_mirrored:
            return
        self.commit_both(name)
        self.storages[name].evict(self.other.url)
        self.model.refresh(name)
        self.others_are_overtaken(name)

    def die(self, name: str) -> None:
        """Let go of the journal, as the end of a process does, and commit nothing."""
        self.storages[name]._parts.recorder.close()
        self.dead = dict(self.model.writers[name].batch)
        self.model.commit(name)
        super().die(name)

    def open(self, name: str) -> None:
        """Open the store, and find what the dead one left."""
        is_overtaken = name in self.overtaken
        super().open(name)
        self.forget_forgone(name, self.dead, is_overtaken=is_overtaken)
        self.dead = {}
