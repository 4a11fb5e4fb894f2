"""Processes that make one store at the same time: all of them get it, whoever was first."""

from __future__ import annotations

from collections.abc import Mapping

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.storage.opening import open_store
from mandala_cas.testing import DepthFirst, explore
from mandala_cas.testing.scheduler import Actor


def open_it(store: ObjectStore) -> str:
    """Open the store or make it; return its uuid."""
    return open_store(store).config.uuid


def test_processes_that_make_a_store_at_once_all_get_it() -> None:
    """A sweep of many jobs starts with all of them.

    One that had found no config took the config that came right after for somebody else's file,
    and refused the place.
    """

    def make(store: ObjectStore) -> Mapping[str, Actor]:
        del store
        return {"v": open_it, "w": open_it, "x": open_it}

    def check(store: ObjectStore, results: Mapping[str, object]) -> None:
        del store
        assert len(set(results.values())) == 1

    explored = explore(make, check, seeds=range(300), strategy=DepthFirst())

    assert explored.distinct_count > 100
