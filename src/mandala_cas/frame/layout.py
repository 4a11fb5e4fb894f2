"""Where to draw the nodes of a graph: layers from sources to sinks, few crossings, short edges.

Pure geometry in the manner of Sugiyama: nodes get layers, edges that cross layers get a bend in
each, layers are ordered to avoid crossings, then bends and nodes are pulled towards what they
are joined to. The same input gives the same picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Point = tuple[float, float]

_SWEEPS_MAX: Final = 12
_PULLS: Final = 10
_BEND_SIZE: Final = 10.0
# Bends are pulled harder than nodes, so that long edges come out straight.
_BEND_WEIGHT: Final = 4.0


@dataclass(frozen=True, slots=True)
class Box:
    """What is to be placed: a node's name, and its extent across and along the layers."""

    name: str
    breadth: float
    depth: float


@dataclass(frozen=True, slots=True)
class Placing:
    """Centres of nodes, and the points that each edge runs through, from source to target.

    Points are (across, along): across a layer, and along the way from layer to layer.
    """

    centres: Mapping[str, Point]
    paths: Mapping[tuple[str, str], tuple[Point, ...]]
    breadth: float
    depth: float


@dataclass(slots=True)
class _Spot:
    """A node, or the bend of an edge in a layer that it passes through."""

    breadth: float
    layer: int
    weight: float
    above: list[int]
    below: list[int]


def place(
    boxes: Sequence[Box], edges: Iterable[tuple[str, str]], *, gap: float, layer_gap: float
) -> Placing:
    """Place the boxes, which come in an order that most edges follow.

    Edges against that order (there are some where there are cycles) are drawn backwards.
    """
    number = {box.name: i for i, box in enumerate(boxes)}
    wanted = sorted({(number[s], number[t]) for s, t in edges if s != t})
    onward = sorted({(min(pair), max(pair)) for pair in wanted})
    layers = _layers(len(boxes), onward)
    spots = [_Spot(b.breadth, layers[i], 1.0, [], []) for i, b in enumerate(boxes)]
    chains = {pair: _chain(spots, pair) for pair in onward}
    rows = _ordered_rows(spots)
    across = _across(spots, rows, gap)
    along, depth = _along(boxes, layers, layer_gap)
    points = [(across[i], along[spot.layer]) for i, spot in enumerate(spots)]
    paths = {}
    for source, target in wanted:
        chain = chains[min(source, target), max(source, target)]
        path = tuple(points[i] for i in (chain if source < target else reversed(chain)))
        paths[boxes[source].name, boxes[target].name] = path
    breadth = max((x + s.breadth / 2 for x, s in zip(across, spots, strict=True)), default=0.0)
    centres = {box.name: points[i] for i, box in enumerate(boxes)}
    return Placing(centres, paths, breadth, depth)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the layer of each node: below all it depends on, and near what depends on it."""
    layers = [0] * count
    for source, target in sorted(edges):
        layers[target] = max(layers[target], layers[source] + 1)
    has_source = {target for _, target in edges}
    nearest: dict[int, int] = {}
    for source, target in edges:
        nearest[source] = min(nearest.get(source, layers[target]), layers[target])
    for node, layer in nearest.items():
        if node not in has_source:
            layers[node] = layer - 1
    return layers


def _chain(spots: list[_Spot], edge: tuple[int, int]) -> list[int]:
    """Join two spots through a new bend in each layer between them; return the way."""
    source, target = edge
    way = [source]
    for layer in range(spots[source].layer + 1, spots[target].layer):
        spots.append(_Spot(_BEND_SIZE, layer, _BEND_WEIGHT, [], []))
        way.append(len(spots) - 1)
    way.append(target)
    for upper, lower in pairwise(way):
        spots[upper].below.append(lower)
        spots[lower].above.append(upper)
    return way


def _ordered_rows(spots: Sequence[_Spot]) -> list[list[int]]:
    """Return the spots of each layer in an order with few crossings."""
    rows: list[list[int]] = [[] for _ in range(max((s.layer for s in spots), default=-1) + 1)]
    for i, spot in enumerate(spots):
        rows[spot.layer].append(i)
    best, fewest = [list(row) for row in rows], _crossings(spots, rows)
    for sweep in range(_SWEEPS_MAX):
        if not fewest:
            break
        downward = sweep % 2 == 0
        for row in rows if downward else reversed(rows):
            place_of = {i: at for other in rows for at, i in enumerate(other)}
            row.sort(key=lambda i: _barycentre(spots[i], place_of, place_of[i], downward=downward))
        count = _crossings(spots, rows)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _barycentre(spot: _Spot, place_of: Mapping[int, int], default: int, *, downward: bool) -> float:
    """Return the mean place of the neighbours on one side; its own where it has none there."""
    near = spot.above if downward else spot.below
    return sum(place_of[i] for i in near) / len(near) if near else float(default)


def _crossings(spots: Sequence[_Spot], rows: Sequence[Sequence[int]]) -> int:
    """Return how often edges between neighbouring layers cross."""
    total = 0
    for upper, lower in pairwise(rows):
        place_of = {i: at for at, i in enumerate(lower)}
        ends = [at for i in upper for at in sorted(place_of[j] for j in spots[i].below)]
        total += sum(1 for k, left in enumerate(ends) for right in ends[k + 1 :] if right < left)
    return total


def _across(spots: Sequence[_Spot], rows: Sequence[Sequence[int]], gap: float) -> list[float]:
    """Return where each spot is across its layer, from 0 on: near its neighbours, none touching."""
    across = [0.0] * len(spots)
    for row in rows:
        edge = 0.0
        for i in row:
            across[i] = edge + spots[i].breadth / 2
            edge += spots[i].breadth + gap
    for pull in range(_PULLS):
        last = pull == _PULLS - 1
        for row in rows if pull % 2 == 0 else reversed(rows):
            wishes = []
            for i in row:
                spot = spots[i]
                near = spot.above if pull % 2 == 0 else spot.below
                near = [*spot.above, *spot.below] if last or not near else near
                wish = sum(across[j] for j in near) / len(near) if near else across[i]
                wishes.append(wish)
            for i, x in zip(row, _spaced(spots, row, wishes, gap), strict=True):
                across[i] = x
    left = min((x - s.breadth / 2 for x, s in zip(across, spots, strict=True)), default=0.0)
    return [x - left for x in across]


def _spaced(
    spots: Sequence[_Spot], row: Sequence[int], wishes: Sequence[float], gap: float
) -> list[float]:
    """Return places as near to the wishes as order and spacing allow (least squares).

    Without the room that the ones before need, the places must not decrease: neighbours that
    would are pooled at their weighted mean.
    """
    room, edge = [], 0.0
    for i in row:
        room.append(edge + spots[i].breadth / 2)
        edge += spots[i].breadth + gap
    pools: list[tuple[float, float, int]] = []
    for i, wish, needed in zip(row, wishes, room, strict=True):
        mean, weight, count = wish - needed, spots[i].weight, 1
        while pools and pools[-1][0] > mean:
            other_mean, other_weight, other_count = pools.pop()
            total = weight + other_weight
            mean = (mean * weight + other_mean * other_weight) / total
            weight, count = total, count + other_count
        pools.append((mean, weight, count))
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [x + needed for x, needed in zip(flat, room, strict=True)]


def _along(
    boxes: Sequence[Box], layers: Sequence[int], layer_gap: float
) -> tuple[list[float], float]:
    """Return the middle of each layer, and where the last one ends."""
    depths = [0.0] * (max(layers, default=-1) + 1)
    for box, layer in zip(boxes, layers, strict=True):
        depths[layer] = max(depths[layer], box.depth)
    middles, edge = [], 0.0
    for depth in depths:
        middles.append(edge + depth / 2)
        edge += depth + layer_gap
    return middles, max(edge - layer_gap, 0.0)
