"""Pictures: where nodes are, what is written, where the result can go."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.frame.recorded_calls import RecordedCalls
from tests.unit.frame.tutorial_calls import Tutorial

from mandala_cas.errors import UsageError
from mandala_cas.frame.computation_frame import ComputationFrame
from mandala_cas.frame.layout import Box, place
from mandala_cas.frame.render import Orientation

NODES_MAX = 12
arrows = st.sets(st.tuples(st.integers(0, NODES_MAX - 1), st.integers(0, NODES_MAX - 1)))


def elements(svg: str) -> list[ET.Element]:
    """Return all elements of a picture, which has to be valid XML."""
    return list(ET.fromstring(svg).iter())  # noqa: S314 (written by the code under test)


@given(st.lists(st.floats(10, 200), min_size=1, max_size=NODES_MAX), arrows)
def test_nodes_do_not_touch_and_edges_reach_both_ends(
    breadths: list[float], wanted: set[tuple[int, int]]
) -> None:
    """Whatever the graph: cycles, long edges, nodes without any."""
    boxes = [Box(f"n{i}", breadth, 30) for i, breadth in enumerate(breadths)]
    edges = {(f"n{s}", f"n{t}") for s, t in wanted if s != t and max(s, t) < len(boxes)}

    found = place(boxes, edges, gap=20, layer_gap=40)

    assert found.centres.keys() == {box.name for box in boxes}
    assert found.paths.keys() == edges
    for (source, target), path in found.paths.items():
        assert (path[0], path[-1]) == (found.centres[source], found.centres[target])
    for box in boxes:
        across, along = found.centres[box.name]
        assert box.breadth / 2 - 0.01 <= across <= found.breadth - box.breadth / 2 + 0.01
        for other in boxes:
            if other is not box and found.centres[other.name][1] == along:
                apart = abs(found.centres[other.name][0] - across)
                assert apart >= (box.breadth + other.breadth) / 2 + 20 - 0.01


def test_a_tree_is_drawn_without_crossings() -> None:
    """Each level in the order of the level above, although names come in another."""
    boxes = [Box(name, 20, 20) for name in ("root", "a", "b", "b1", "a1", "b2", "a2")]
    edges = [("root", "a"), ("root", "b"), *((n[0], n) for n in ("b1", "a1", "b2", "a2"))]

    centres = place(boxes, edges, gap=10, layer_gap=10).centres

    leaves = sorted(("b1", "a1", "b2", "a2"), key=lambda name: centres[name][0])
    assert [name[0] for name in leaves] in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert centres["root"][1] < centres["a"][1] == centres["b"][1] < centres["a1"][1]


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty frame has a picture too."""
    found = place([], [], gap=10, layer_gap=10)

    assert (found.breadth, found.depth, found.centres) == (0, 0, {})


@pytest.mark.parametrize("orientation", ["TB", "LR"])
def test_the_picture_names_every_node_and_edge(
    tutorial: Tutorial, orientation: Orientation
) -> None:
    """With counts, and valid XML."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model").expand_all()

    svg = frame.draw(verbose=True, orientation=orientation).svg

    texts = [element.text for element in elements(svg)]
    assert frame.nodes <= set(texts)
    assert {"3 calls", "1 call", "3 refs", "output_0 (3)", "n_estimators (2)"} <= set(texts)
    assert "0 sources, 3 sinks" in texts
    assert "X_train → train_model: X_train: 3 calls, 1 ref" in texts


def test_sources_and_sinks_are_counted_only_if_asked_for(tutorial: Tutorial) -> None:
    """A quiet picture by default."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")

    assert "sinks" not in frame.draw().svg


def test_text_is_escaped() -> None:
    """A name is text, whatever it says."""
    store = RecordedCalls()
    store.call("<script>&", {"a<b": 1}, ["out"])
    frame = ComputationFrame.from_op(store, "<script>&")

    svg = frame.draw().svg

    assert "<script>" not in svg
    assert "<script>&" in {element.text for element in elements(svg)}
    assert "a<b (1)" in {element.text for element in elements(svg)}


def test_long_names_are_cut_and_whole_on_hover() -> None:
    """One name must not make the picture as wide as itself."""
    store = RecordedCalls()
    store.call("f" * 100, {"x": 1}, ["out"])

    svg = ComputationFrame.from_op(store, "f" * 100).draw().svg

    assert f">{'f' * 35}…<" in svg
    assert "f" * 100 + ": 1 call of op" in svg


def test_elements_have_a_star() -> None:
    """The edge stands for any number of inputs."""
    store = RecordedCalls()
    store.call("__make_list__", {"elts_0": 1, "elts_1": 2}, {"list": [1, 2]})

    assert ">*elts (1)<" in ComputationFrame.from_op(store, "__make_list__").draw().svg


def test_arrows_of_a_cycle_lie_side_by_side(chain: RecordedCalls) -> None:
    """One on top of the other would be one arrow with two heads."""
    last = list(chain.records.values())[-1].outputs[0].history_id
    frame = ComputationFrame.from_refs(chain, last).expand_back(recursive=True)
    assert {("inc", "x", "output_0"), ("x", "inc", "x")} < set(frame.edges())

    svg = frame.draw().svg

    drawn = elements(svg)
    starts = {e.attrib["d"].split(",")[0] for e in drawn if e.attrib.get("class") == "edge"}
    labels = {e.attrib["y"] for e in drawn if e.attrib.get("class") == "label"}
    assert (len(starts), len(labels)) == (3, 3)


@pytest.mark.parametrize(("name", "begins"), [("a.svg", "<svg"), ("a.html", "<!doctype html>")])
def test_a_picture_is_written_as_its_suffix_says(
    tutorial: Tutorial, tmp_path: Path, name: str, begins: str
) -> None:
    """By ``draw`` itself, as notebooks do it."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")

    picture = frame.draw(path=tmp_path / name)

    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert picture.svg in text


def test_other_suffixes_are_refused(tutorial: Tutorial, tmp_path: Path) -> None:
    """A file that says png and holds something else would be worse."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")

    with pytest.raises(UsageError, match=r"\.png is not supported; use \.svg or \.html"):
        frame.draw(path=tmp_path / "a.png")
    with pytest.raises(UsageError, match="no suffix is not supported"):
        frame.draw(path=tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_an_unknown_orientation_is_refused(tutorial: Tutorial) -> None:
    """There are two."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")

    with pytest.raises(UsageError, match="orientation='RL' is not known"):
        frame.draw(orientation="RL")  # type: ignore[arg-type]  # the mistake under test


def test_notebooks_show_pictures_by_themselves(tutorial: Tutorial) -> None:
    """A frame shows its picture and counts, a picture itself."""
    frame = ComputationFrame.from_op(tutorial.store, "train_model")
    picture = frame.draw()

    assert picture._repr_svg_() == picture._repr_html_() == picture.svg
    assert repr(picture).startswith("Picture(")
    assert picture.svg in frame._repr_html_()
    assert "5 variable(s) (10 unique refs)" in frame._repr_html_()
