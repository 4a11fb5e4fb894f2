"""Every way to ask a store, for tests of what all of them answer when it is not there."""

from __future__ import annotations

from typing import Final

import pytest

EVERY_USE: Final = [
    pytest.param(lambda store: list(store.list("")), id="list"),
    pytest.param(lambda store: list(store.list("manifest/")), id="list below"),
    pytest.param(lambda store: store.put("a", [b"x"]), id="put"),
    pytest.param(lambda store: store.put_many({"a": [b"x"], "b": [b"y"]}), id="put_many"),
    pytest.param(lambda store: store.create("a", b"x"), id="create"),
    pytest.param(lambda store: store.get("a"), id="get"),
    pytest.param(lambda store: store.get_many(["a", "b"]), id="get_many"),
    pytest.param(lambda store: store.get_range("a", 0, 1), id="get_range"),
    pytest.param(lambda store: store.delete(["a"]), id="delete"),
]
