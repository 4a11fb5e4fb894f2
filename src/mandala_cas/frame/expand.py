"""Expanding: add the calls that made a frame's refs, or that use them.

One step takes refs without a creator (or consumer) in the frame, finds their calls in the
storage, groups the calls by op and by which variables hold their refs, and joins each group to
the graph as one function node.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mandala_cas.frame.arrays import Codes, Mask, Rows, distinct, numbered
from mandala_cas.frame.graph import Graph, fresh_name, fresh_variable
from mandala_cas.frame.making import labelled_slots
from mandala_cas.frame.members import Members
from mandala_cas.frame.snapshot import Snapshot
from mandala_cas.frame.workspace import Port, Workspace
from mandala_cas.model.entries import FAILURE_SUFFIX

ReuseExisting = Literal["values"] | bool
_BY_VALUES: Final = "values"


@dataclass(frozen=True, slots=True)
class Direction:
    """Which way a step goes, and how it joins what it finds.

    ``back`` goes to the calls that made refs, otherwise to those that use them. ``far_sides``
    are the sides of a call that get variables of their own: True for outputs, False for inputs.
    """

    back: bool
    reuse_existing: ReuseExisting
    skip_existing: bool
    far_sides: tuple[bool, ...]

    @property
    def name(self) -> str:
        """The name of the method that goes this way."""
        return "expand_back" if self.back else "expand_forward"


@dataclass(frozen=True, slots=True)
class CallGroup:
    """Calls of one op whose refs at each near label lie in the same variables."""

    op: str
    near: tuple[tuple[str, tuple[str, ...]], ...]
    calls: Codes


def back(*, reuse_existing: ReuseExisting, skip_existing: bool) -> Direction:
    """Return the way to the calls that made refs."""
    return Direction(True, reuse_existing, skip_existing, (False,))


def forward(*, reuse_existing: ReuseExisting, skip_existing: bool, with_inputs: bool) -> Direction:
    """Return the way to the calls that use refs."""
    far_sides = (False, True) if with_inputs else (True,)
    return Direction(False, reuse_existing, skip_existing, far_sides)


def expand(
    snapshot: Snapshot,
    graph: Graph,
    direction: Direction,
    *,
    varnames: Collection[str] | None,
    recursive: bool,
) -> Graph:
    """Return the graph after one step, or after as many as add anything."""
    space = Workspace(snapshot, graph)
    _expand(space, direction, varnames, recursive=recursive)
    return space.freeze()


def expand_all(snapshot: Snapshot, graph: Graph, backward: Direction, onward: Direction) -> Graph:
    """Return the graph after full expansions back and forward by turns, until nothing is added."""
    space = Workspace(snapshot, graph)
    while True:
        grew = _expand(space, backward, None, recursive=True)
        grew |= _expand(space, onward, None, recursive=True)
        if not grew:
            return space.freeze()


def _expand(
    space: Workspace, direction: Direction, varnames: Collection[str] | None, *, recursive: bool
) -> bool:
    """Take one step or all; tell whether a ref or a call was added."""
    names = space.variables.keys() if varnames is None else varnames
    frontier = {name: space.variables[name].codes() for name in names}
    grew = False
    while True:
        space.fresh_call_count = 0
        # Names grow while a step runs; it sees those that were there when it began.
        _step(space, direction, frontier, sorted(space.variables if varnames is None else frontier))
        frontier = space.take_fresh_refs()
        added = bool(frontier) or space.fresh_call_count > 0
        grew |= added
        # What was expanded before has its calls, or none exist: only what was added can go on.
        if not (recursive and frontier):
            return grew


def _step(
    space: Workspace, direction: Direction, frontier: Mapping[str, Codes], varnames: list[str]
) -> None:
    """Add the calls of the frontier's refs, with their refs."""
    snapshot, made = space.snapshot, direction.back
    starts = [space.unexplained(name, refs, made=made) for name, refs in frontier.items()]
    if not starts:
        return
    refs = distinct(np.concatenate(starts))
    by_ref = snapshot.outputs_by_ref if made else snapshot.inputs_by_ref
    calls = distinct(snapshot.slot_call[by_ref.rows(refs)])
    if not made:
        calls = calls[~_are_failures(snapshot, calls)]
    if direction.skip_existing:
        calls = calls[~space.holds_call(calls)]
    if len(calls):
        for group in _group(space, direction, calls, varnames):
            _join(space, direction, group)


def _are_failures(snapshot: Snapshot, calls: Codes) -> Mask:
    """Tell which calls are failures of others: they used refs, and nothing came of it.

    Whoever wants them asks for them by name.
    """
    ops = [code for code, name in enumerate(snapshot.ops) if name.endswith(FAILURE_SUFFIX)]
    return np.isin(snapshot.op_of_call[calls], ops)


def _group(
    space: Workspace, direction: Direction, calls: Codes, varnames: list[str]
) -> list[CallGroup]:
    """Return the calls grouped by op and by what holds their near refs, in sorted order."""
    snapshot = space.snapshot
    slots = snapshot.slots_of(calls)
    slots = slots[snapshot.slot_is_output[slots] == direction.back]
    place = np.searchsorted(calls, snapshot.slot_call[slots])
    held = np.stack([space.variables[n].has(snapshot.slot_ref[slots]) for n in varnames], axis=1)
    labels = snapshot.slot_label[slots]
    group = snapshot.op_of_call[calls].astype(np.int64)
    for label in distinct(labels).tolist():
        at = labels == label
        last_only = direction.reuse_existing == _BY_VALUES
        sets = _sets_per_call(held[at], place[at], len(calls), last_only=last_only)
        group = np.unique(group * (int(sets.max()) + 1) + sets, return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    groups = []
    for members in np.split(order, starts[1:]):
        first = slice(*np.searchsorted(place, [members[0], members[0] + 1]).tolist())
        near = _near_variables(snapshot, direction, slots[first], held[first], varnames)
        op = snapshot.ops[int(snapshot.op_of_call[calls[members[0]]])]
        groups.append(CallGroup(op, near, calls[members]))
    return sorted(groups, key=lambda g: (g.op, g.near))


def _sets_per_call(held: Mask, place: Rows, call_count: int, *, last_only: bool) -> Rows:
    """Return, per call, a number for the set of variables that hold its refs at one label."""
    if len(place) and (np.diff(place) == 0).any():
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        ends = np.append(starts[1:], len(place)) - 1
        held = held[ends] if last_only else np.logical_or.reduceat(held, starts, axis=0)
        place = place[starts]
    numbers = numbered(held)
    sets = np.zeros(call_count, dtype=np.int64)
    # Calls without the label, and calls whose refs nothing holds, are alike: set 0.
    sets[place] = np.where(held.any(axis=1), numbers + 1, 0)
    return sets


def _near_variables(
    snapshot: Snapshot, direction: Direction, slots: Rows, held: Mask, varnames: list[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return one call's near labels, with the variables that hold the refs there."""
    found: dict[str, set[str]] = {}
    for row, slot in enumerate(slots.tolist()):
        label = snapshot.labels[int(snapshot.slot_label[slot])]
        names = {varnames[i] for i in np.flatnonzero(held[row]).tolist()}
        if direction.reuse_existing == _BY_VALUES:
            found[label] = names
        else:
            found.setdefault(label, set()).update(names)
    return tuple(sorted((label, tuple(sorted(names))) for label, names in found.items() if names))


def _join(space: Workspace, direction: Direction, group: CallGroup) -> None:
    """Make one group of calls a function node of the graph, or part of one."""
    name = _function_for(space, direction, group.op)
    ports = space.functions[name].ports
    joined: dict[Port, list[str]] = {}
    first_time: set[Port] = set()
    for label, variables in group.near:
        port = (direction.back, label)
        joined[port] = list(variables)
        if port not in ports:
            first_time.add(port)
        for variable in variables:
            space.join(name, port, variable)
    snapshot = space.snapshot
    for label, is_output, slots in labelled_slots(snapshot, snapshot.slots_of(group.calls)):
        port = (is_output, label)
        if port in ports or is_output not in direction.far_sides:
            continue
        refs = distinct(snapshot.slot_ref[slots])
        variable = _matching(space, direction.reuse_existing, label, refs) or _new_variable(
            space, port
        )
        space.join(name, port, variable)
        joined[port] = [variable]
        first_time.add(port)
    new_calls = space.add_calls(name, group.calls)
    spread = direction.reuse_existing == _BY_VALUES
    _place_refs(space, name, new_calls, joined, spread=spread)
    # A port that had no edge before now speaks for every call of the node, old ones included.
    if first_time and len(new_calls) < space.functions[name].calls.count:
        _place_refs(
            space,
            name,
            space.functions[name].calls.codes(),
            joined,
            spread=spread,
            only=first_time,
        )


def _function_for(space: Workspace, direction: Direction, op: str) -> str:
    """Return the function node that a group of this op joins: an old one, or a new one."""
    existing = space.functions_of(op) if direction.reuse_existing else []
    if existing:
        return existing[0]
    name = fresh_name(op, space.names())
    space.add_function(name, op)
    return name


def _new_variable(space: Workspace, port: Port) -> str:
    """Add an empty variable named after a label."""
    is_output, label = port
    name = fresh_variable(label, space.names(), is_output=is_output)
    space.add_variable(name)
    return name


def _matching(
    space: Workspace, reuse_existing: ReuseExisting, label: str, refs: Codes
) -> str | None:
    """Return the first variable, in name order, that refs met at a label belong to."""
    if not reuse_existing:
        return None
    candidates: Collection[str] = space.variables.keys()
    if reuse_existing != _BY_VALUES:
        created = space.snapshot.is_created(refs)
        if created.any():
            refs = refs[created]
        else:
            # Constants of equal value are one ref wherever they are used, so holding the same
            # ones means nothing unless the label is the same too.
            candidates = space.label_users.get(label, set())
    return next((n for n in sorted(candidates) if _overlaps(space.variables[n], refs)), None)


def _overlaps(members: Members, refs: Codes) -> bool:
    """Tell whether one of the two sets contains the other, and the held one is not empty."""
    if not members.count:
        return False
    return int(members.has(refs).sum()) in {len(refs), members.count}


def _place_refs(
    space: Workspace,
    function: str,
    calls: Codes,
    joined: Mapping[Port, list[str]],
    *,
    spread: bool,
    only: Collection[Port] | None = None,
) -> None:
    """Put the refs of calls into the variables at their labels.

    A ref that one of the label's variables holds already stays where it is; others go into the
    variable that this step joined, else into the first. ``spread`` puts all refs into all.
    """
    if not len(calls):
        return
    snapshot = space.snapshot
    ports = space.functions[function].ports
    for label, is_output, slots in labelled_slots(snapshot, snapshot.slots_of(calls)):
        port = (is_output, label)
        if port not in ports or (only is not None and port not in only):
            continue
        refs = distinct(snapshot.slot_ref[slots])
        if spread:
            for variable in sorted(ports[port]):
                space.add_refs(variable, refs)
            continue
        for variable in ports[port]:
            refs = refs[~space.variables[variable].has(refs)]
        if len(refs):
            space.add_refs(min(joined.get(port, ports[port])), refs)
