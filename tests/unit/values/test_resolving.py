"""Collections are made whole: level by level, each place its own, and nothing but what was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError, UsageError
from mandala_cas.model.collections import Collection, CollectionKind
from mandala_cas.model.ids import ContentId
from mandala_cas.model.outcomes import Loaded, Outcome
from mandala_cas.values import resolving
from mandala_cas.values.resolving import load_whole


class Sealed:
    """A value that cannot be copied by itself."""

    def __deepcopy__(self, memo: Any) -> Any:
        """Refuse."""
        raise TypeError("not this one")


class Values(dict[ContentId, Any]):
    """Stored values; remembers what was asked for together."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.asked: list[int] = []

    def load_each(self, content_ids: Sequence[ContentId], *, mmap: bool = True) -> list[Outcome]:
        """Return what is there."""
        del mmap
        self.asked.append(len(content_ids))
        return [
            outcome
            if isinstance(outcome, MandalaError)
            else Loaded(outcome() if outcome is Sealed else outcome)
            for outcome in (self.get(id_, NotFoundError(f"no {id_.short}")) for id_ in content_ids)
        ]

    def atom(self, value: Any) -> ContentId:
        """Store a value that is no collection."""
        id_ = ContentId(bytes([len(self) % 256, len(self) // 256]) * 16)
        self[id_] = value
        return id_

    def made(self, kind: CollectionKind, ids: Sequence[ContentId], *keys: str) -> ContentId:
        """Store a collection."""
        collection = Collection(kind, tuple(ids), keys)
        self[collection.content_id] = collection
        return collection.content_id


@pytest.fixture
def values() -> Values:
    """Return a store without values."""
    return Values()


def whole(values: Values, id_: ContentId) -> Any:
    """Return one value."""
    (outcome,) = load_whole(values, [id_])
    assert isinstance(outcome, Loaded), outcome
    return outcome.value


LIST, TUPLE, SET, DICT = (
    CollectionKind.LIST,
    CollectionKind.TUPLE,
    CollectionKind.SET,
    CollectionKind.DICT,
)


def test_every_kind_comes_back_whole(values: Values) -> None:
    """Nested as it was."""
    one, two = values.atom(1), values.atom("two")
    pair = values.made(TUPLE, [one, two])
    table = values.made(DICT, [pair, one], "b", "a")
    group = values.made(SET, sorted([pair, one]))
    top = values.made(LIST, [table, group, one])

    found = whole(values, top)

    assert found == [{"b": (1, "two"), "a": 1}, {(1, "two"), 1}, 1]
    assert list(found[0]) == ["b", "a"]


def test_each_level_is_one_request(values: Values) -> None:
    """And what is in several places is asked for once."""
    atoms = [values.atom(n) for n in range(50)]
    rows = [values.made(LIST, atoms[n : n + 10]) for n in range(40)]
    top = values.made(LIST, [*rows, *rows])

    found = load_whole(values, [top, rows[0], atoms[0]])

    # Rows, and elements of the one that was asked for; then those elements that are left.
    assert values.asked == [3, 39 + 9, 39]
    assert [outcome.value for outcome in found if isinstance(outcome, Loaded)][1] == list(range(10))


def test_places_do_not_share_what_can_be_changed(values: Values) -> None:
    """Two elements that are equal were two objects, where they came from."""
    row, name = values.atom([1]), values.atom("a")
    inner = values.made(LIST, [row, name])
    found = whole(values, values.made(LIST, [inner, inner, row, row]))

    found[0][0].append(2)
    found[0].append(3)

    assert found[1:] == [[[1], "a"], [1], [1]]
    assert found[0][1] is found[1][1]


def test_what_cannot_be_copied_is_loaded_again(values: Values) -> None:
    """Each place has an object of its own all the same."""
    id_ = values.atom(Sealed)

    first, second = whole(values, values.made(LIST, [id_, id_]))

    assert (type(first), type(second), first is second) == (Sealed, Sealed, False)


def test_nesting_has_no_stack(values: Values) -> None:
    """Ten thousand levels are as good as two, also where Python would hash them."""
    last = values.atom(0)
    for _ in range(10_000):
        last = values.made(TUPLE, [last])

    found = whole(values, values.made(SET, [last]))

    (inner,) = found
    depth = 0
    while isinstance(inner, tuple):
        (inner,) = inner
        depth += 1
    assert depth == 10_000


def test_depth_has_an_end(values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deeper could only be there to overflow a stack of C."""
    monkeypatch.setattr(resolving, "DEPTH_MAX", 5)
    last = values.atom(0)
    for _ in range(4):
        last = values.made(LIST, [last])
    assert whole(values, values.made(LIST, [last])) == [[[[[0]]]]]

    (outcome,) = load_whole(values, [values.made(LIST, [values.made(LIST, [last])])])

    assert isinstance(outcome, UsageError)
    assert "levels deep" in str(outcome)


def test_a_few_records_cannot_fill_the_memory(values: Values) -> None:
    """A hundred levels of two each would be 2^100 places."""
    last = values.atom(0)
    for _ in range(100):
        last = values.made(LIST, [last, last])

    (outcome,) = load_whole(values, [last])

    assert isinstance(outcome, UsageError)
    assert "elements" in str(outcome)


def test_a_collection_is_what_its_id_says(values: Values) -> None:
    """A record of a crafted store may put any collection under any id; one in itself, too."""
    atom = values.atom(1)
    forged = ContentId(b"\xfe" * 32)
    values[forged] = Collection(LIST, (forged, atom))
    top = values.made(LIST, [forged])

    outcomes = load_whole(values, [top, forged, atom])

    assert [type(outcome) for outcome in outcomes] == [CorruptionError, CorruptionError, Loaded]


def test_what_is_wrong_with_elements_is_told_of_each(values: Values) -> None:
    """And of those collections only that need them."""
    good, lost, gone = values.atom(1), values.atom(CorruptionError("lost")), ContentId(b"\xaa" * 32)
    inner = values.made(LIST, [lost, good])
    bad, fine = values.made(LIST, [inner, gone, lost]), values.made(LIST, [good])

    first, second = load_whole(values, [bad, fine])

    assert isinstance(first, CorruptionError | NotFoundError)
    assert set(first.details["parts"]) == {lost, gone}
    assert isinstance(first.details["parts"][gone], NotFoundError)
    assert second == Loaded([1])


def test_a_set_of_what_no_set_holds(values: Values) -> None:
    """It cannot be built, whoever wrote it."""
    (outcome,) = load_whole(values, [values.made(SET, [values.atom([1])])])

    assert isinstance(outcome, UsageError)
    assert "MList" in str(outcome)


def test_values_that_are_no_collections_cost_one_request(values: Values) -> None:
    """As before there were any."""
    ids = [values.atom(n) for n in range(3)]

    assert load_whole(values, [*ids, ids[0]]) == [Loaded(0), Loaded(1), Loaded(2), Loaded(0)]
    assert values.asked == [4]
