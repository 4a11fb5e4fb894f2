"""Computation frames again, in sets and loops, with no thought for speed.

Written from the semantics, one rule at a time; the engine must agree with it in everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, HistoryId

Row = frozenset[tuple[str, frozenset[bytes]]]
Occurrence = tuple[str, HistoryId]


@dataclass
class OracleFrame:
    """A frame in plain sets; edges are (source, target, label)."""

    variables: dict[str, set[HistoryId]] = field(default_factory=dict)
    functions: dict[str, tuple[str, set[CallId]]] = field(default_factory=dict)
    edges: set[tuple[str, str, str]] = field(default_factory=set)

    def size(self) -> tuple[int, int]:
        """Return how many refs and calls are held, node by node."""
        return (
            sum(map(len, self.variables.values())),
            sum(len(calls) for _, calls in self.functions.values()),
        )

    def at_label(self, function: str, label: str, *, is_output: bool) -> list[str]:
        """Return the variables joined to a function at a label, in name order."""
        if is_output:
            return sorted(t for s, t, text in self.edges if s == function and text == label)
        return sorted(s for s, t, text in self.edges if t == function and text == label)

    def fresh(self, wanted: str, *, is_output: bool = False) -> str:
        """Return the name that a new node gets."""
        taken = {*self.variables, *self.functions}
        if is_output and re.fullmatch(r"output_\d+", wanted):
            return next(name for i in count() if (name := f"var_{i}") not in taken)
        if wanted not in taken:
            return wanted
        number = re.fullmatch(r"(.+)_(\d+)", wanted)
        stem, first = (number[1], int(number[2]) + 1) if number else (wanted, 0)
        return next(name for i in count(first) if (name := f"{stem}_{i}") not in taken)


class Oracle:
    """Answers questions about frames over a list of calls."""

    def __init__(self, records: Iterable[CallRecord]) -> None:
        """Know these calls, and no others."""
        self.records = {r.call_id: r for r in records}

    def slots(self, call: CallId, *, is_output: bool) -> list[Occurrence]:
        """Return the labels and refs on one side of a call."""
        record = self.records[call]
        if is_output:
            return [(s.name, s.history_id) for s in record.outputs]
        shared = record.op_name in {"__make_list__", "__make_set__", "__make_tuple__"}
        return [
            ("elts" if shared and re.fullmatch(r"elts_\d+", s.name) else s.name, s.history_id)
            for s in record.inputs
        ]

    def refs(self, call: CallId, *, is_output: bool) -> set[HistoryId]:
        """Return the refs on one side of a call."""
        return {ref for _, ref in self.slots(call, is_output=is_output)}

    def is_created(self, ref: HistoryId) -> bool:
        """Tell whether some call made this ref."""
        return any(ref in self.refs(call, is_output=True) for call in self.records)

    def of_op(self, op: str) -> OracleFrame:
        """Return all calls of an op with a variable per label."""
        return self.of_calls([c for c, r in self.records.items() if r.op_name == op], [op])

    def of_calls(self, calls: Iterable[CallId], ops: Iterable[str] = ()) -> OracleFrame:
        """Return a function per op with a variable per label."""
        frame = OracleFrame()
        for op in ops:
            frame.functions[op] = (op, set())
        for call in calls:
            op = self.records[call].op_name
            frame.functions.setdefault(op, (op, set()))[1].add(call)
        for name in sorted(frame.functions):
            held = frame.functions[name][1]
            for is_output, label in self.ports(held):
                variable = frame.fresh(label, is_output=is_output)
                frame.variables[variable] = {
                    ref
                    for call in held
                    for text, ref in self.slots(call, is_output=is_output)
                    if text == label
                }
                edge = (name, variable, label) if is_output else (variable, name, label)
                frame.edges.add(edge)
        return frame

    def ports(self, calls: Iterable[CallId]) -> list[tuple[bool, str]]:
        """Return the labels of calls: inputs by name, then outputs in order of return."""
        places: dict[tuple[bool, str], int] = {}
        for call in calls:
            for label, _ in self.slots(call, is_output=False):
                places[False, label] = 0
            for place, (label, _) in enumerate(self.slots(call, is_output=True)):
                places[True, label] = min(place, places.get((True, label), place))
        return sorted(places, key=lambda port: (port[0], places[port], port[1]))

    def loose(self, frame: OracleFrame, variable: str, *, back: bool) -> set[HistoryId]:
        """Return the source elements (sink elements, going forward) of a variable."""
        if back:
            joined = {s for s, t, _ in frame.edges if t == variable}
        else:
            joined = {t for s, t, _ in frame.edges if s == variable}
        calls = {call for name in joined for call in frame.functions[name][1]}
        tied = {ref for call in calls for ref in self.refs(call, is_output=back)}
        return frame.variables[variable] - tied

    def step(
        self,
        frame: OracleFrame,
        varnames: set[str],
        refs: set[HistoryId],
        *,
        back: bool,
        reuse: object,
        far: tuple[bool, ...],
        skip_existing: bool = False,
    ) -> None:
        """Add the calls that made (use) ``refs``, which are held by ``varnames``."""
        calls = {c for c in self.records if self.refs(c, is_output=back) & refs}
        if skip_existing:
            calls -= {c for _, held in frame.functions.values() for c in held}
        holders = {name: set(frame.variables[name]) for name in varnames}
        groups: dict[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], set[CallId]] = {}
        for call in calls:
            near: dict[str, set[str]] = {}
            for label, ref in self.slots(call, is_output=back):
                having = {name for name in varnames if ref in holders[name]}
                near[label] = having if reuse == "values" else near.get(label, set()) | having
            key = tuple(sorted((label, tuple(sorted(n))) for label, n in near.items() if n))
            groups.setdefault((self.records[call].op_name, key), set()).add(call)
        for (op, key), group in sorted(groups.items(), key=lambda item: item[0]):
            self._join(frame, op, dict(key), group, back=back, reuse=reuse, far=far)

    def _join(
        self,
        frame: OracleFrame,
        op: str,
        near: dict[str, tuple[str, ...]],
        group: set[CallId],
        *,
        back: bool,
        reuse: object,
        far: tuple[bool, ...],
    ) -> None:
        """Glue one group of calls to the frame, then add the calls with their refs."""
        same_op = sorted(name for name, (held_op, _) in frame.functions.items() if held_op == op)
        if reuse and same_op:
            name = same_op[0]
        else:
            name = frame.fresh(op)
            frame.functions[name] = (op, set())
        joined: dict[tuple[bool, str], list[str]] = {}
        new_ports = set()
        for label, variables in near.items():
            if not frame.at_label(name, label, is_output=back):
                new_ports.add((back, label))
            joined[back, label] = sorted(variables)
            for variable in variables:
                edge = (name, variable, label) if back else (variable, name, label)
                frame.edges.add(edge)
        for is_output, label in self.ports(group):
            if is_output not in far or frame.at_label(name, label, is_output=is_output):
                continue
            variable = self._far_variable(frame, group, label, is_output=is_output, reuse=reuse)
            edge = (name, variable, label) if is_output else (variable, name, label)
            frame.edges.add(edge)
            joined[is_output, label] = [variable]
            new_ports.add((is_output, label))
        added = group - frame.functions[name][1]
        frame.functions[name][1].update(added)
        self._add_refs(frame, name, added, joined, None, reuse=reuse)
        # The invariant speaks of all calls of the node as soon as a label has an edge.
        self._add_refs(frame, name, frame.functions[name][1], joined, new_ports, reuse=reuse)

    def _far_variable(
        self, frame: OracleFrame, group: set[CallId], label: str, *, is_output: bool, reuse: object
    ) -> str:
        """Return the variable for a label that has no edge yet: one that matches, or a new one."""
        refs = {
            ref
            for call in group
            for text, ref in self.slots(call, is_output=is_output)
            if text == label
        }
        created = {ref for ref in refs if self.is_created(ref)}
        for name in sorted(frame.variables) if reuse else []:
            held = frame.variables[name]
            has_label = any(name in (s, t) and text == label for s, t, text in frame.edges)
            if reuse != "values" and not created and not has_label:
                continue
            wanted = refs if reuse == "values" or not created else created
            if held >= wanted or (held and held <= wanted):
                return name
        fresh = frame.fresh(label, is_output=is_output)
        frame.variables[fresh] = set()
        return fresh

    def _add_refs(
        self,
        frame: OracleFrame,
        name: str,
        calls: Iterable[CallId],
        joined: dict[tuple[bool, str], list[str]],
        only: set[tuple[bool, str]] | None,
        *,
        reuse: object,
    ) -> None:
        """Put the refs of calls where their labels lead."""
        occurrences = {
            (is_output, label, ref)
            for call in calls
            for is_output in (False, True)
            for label, ref in self.slots(call, is_output=is_output)
            if only is None or (is_output, label) in only
        }
        for is_output, label, ref in sorted(occurrences):
            variables = frame.at_label(name, label, is_output=is_output)
            if reuse == "values":
                for variable in variables:
                    frame.variables[variable].add(ref)
            elif variables and not any(ref in frame.variables[v] for v in variables):
                frame.variables[min(joined.get((is_output, label), variables))].add(ref)

    def expand(
        self,
        frame: OracleFrame,
        varnames: set[str] | None,
        *,
        back: bool,
        recursive: bool,
        reuse: object,
        with_inputs: bool = False,
        skip_existing: bool = False,
    ) -> bool:
        """Expand in one direction; tell whether refs or calls were added."""
        far = (False,) if back else (False, True) if with_inputs else (True,)
        start = frame.size()
        names = set(frame.variables) if varnames is None else set(varnames)
        refs = {name: self.loose(frame, name, back=back) for name in names}
        while True:
            before = {name: set(held) for name, held in frame.variables.items()}
            size = frame.size()
            self.step(
                frame,
                names,
                {ref for held in refs.values() for ref in held},
                back=back,
                reuse=reuse,
                far=far,
                skip_existing=skip_existing,
            )
            if not recursive or frame.size() == size:
                return frame.size() != start
            if varnames is None:
                # All over again, with everything there is.
                names = set(frame.variables)
                refs = {name: self.loose(frame, name, back=back) for name in names}
                continue
            added = {n: held - before.get(n, set()) for n, held in frame.variables.items()}
            names = {name for name, held in added.items() if held}
            refs = {name: self.loose(frame, name, back=back) & added[name] for name in names}

    def expand_all(self, frame: OracleFrame, *, reuse: object, with_inputs: bool) -> None:
        """Expand back and forward by turns until nothing is added."""
        while True:
            grew = self.expand(frame, None, back=True, recursive=True, reuse=reuse)
            grew |= self.expand(
                frame, None, back=False, recursive=True, reuse=reuse, with_inputs=with_inputs
            )
            if not grew:
                return

    def violations(self, frame: OracleFrame) -> list[str]:
        """Return what breaks the invariant: refs of calls that no variable at the label has."""
        found = [f"edge {e} ends nowhere" for e in frame.edges if not self._ends(frame, e)]
        for name, (_, calls) in frame.functions.items():
            for call in calls:
                for is_output in (False, True):
                    for label, ref in self.slots(call, is_output=is_output):
                        variables = frame.at_label(name, label, is_output=is_output)
                        if variables and not any(ref in frame.variables[v] for v in variables):
                            found.append(f"{ref!r} at {label} of {name} is in none of {variables}")
        return found

    @staticmethod
    def _ends(frame: OracleFrame, edge: tuple[str, str, str]) -> bool:
        """Tell whether both ends of an edge are there, and of different kinds."""
        source, target, _ = edge
        return (source in frame.variables and target in frame.functions) or (
            source in frame.functions and target in frame.variables
        )

    def parents(self, frame: OracleFrame, node: str, element: bytes) -> set[tuple[str, bytes]]:
        """Return what an element comes straight from, in the frame."""
        if node in frame.variables:
            return {
                (s, call)
                for s, t, _ in frame.edges
                if t == node
                for call in frame.functions[s][1]
                if element in self.refs(call, is_output=True)
            }
        return {
            (s, ref)
            for s, t, label in frame.edges
            if t == node
            for text, ref in self.slots(CallId(element), is_output=False)
            if text == label and ref in frame.variables[s]
        }

    def history(self, frame: OracleFrame, node: str, element: bytes) -> Row:
        """Return all that an element came from, itself included, by node."""
        passed = {(node, element)}
        waiting = [(node, element)]
        while waiting:
            for parent in self.parents(frame, *waiting.pop()) - passed:
                passed.add(parent)
                waiting.append(parent)
        return frozenset(
            (name, frozenset(e for n, e in passed if n == name)) for name in {n for n, _ in passed}
        )

    def partial_rows(self, frame: OracleFrame) -> set[Row]:
        """Return the history of each ref in variables with sinks, and of what else ends a path."""
        roots: set[tuple[str, bytes]] = set()
        for name, held in frame.variables.items():
            if self.loose(frame, name, back=False):
                roots |= {(name, ref) for ref in held}
        everything: set[tuple[str, bytes]] = {
            (n, ref) for n, held in frame.variables.items() for ref in held
        }
        everything |= {(n, call) for n, (_, held) in frame.functions.items() for call in held}
        used = {parent for n, e in everything for parent in self.parents(frame, n, e)}
        return {self.history(frame, *root) for root in roots | (everything - used)}

    def table(self, frame: OracleFrame) -> set[Row]:
        """Return the full disjunction of the partial rows."""
        return full_disjunction(self.partial_rows(frame))


def full_disjunction(rows: set[Row]) -> set[Row]:
    """Return every maximal union of agreeing rows, by trying all."""
    unions = set(rows)
    new = set(rows)
    while new:
        found = {left | right for left in new for right in rows if agree(left, right)} - unions
        unions |= found
        new = found
    return {row for row in unions if not any(row < other for other in unions)}


def agree(left: Row, right: Row) -> bool:
    """Tell whether two rows share a column and are equal in all that they share."""
    first, second = dict(left), dict(right)
    shared = first.keys() & second.keys()
    return bool(shared) and all(first[name] == second[name] for name in shared)


def reach(frame: OracleFrame, start: str, *, forward: bool) -> set[str]:
    """Return the nodes that can be reached from one, itself included."""
    found = {start}
    while True:
        further = {
            (t if forward else s) for s, t, _ in frame.edges if (s if forward else t) in found
        }
        if further <= found:
            return found
        found |= further


def spanned(oracle: Oracle, frame: OracleFrame, names: list[str]) -> OracleFrame:
    """Return the part of a frame that ties nodes together, with the elements that belong."""
    ahead = {n: reach(frame, n, forward=True) for n in (*frame.variables, *frame.functions)}
    between: set[str] = set()
    tying = {n for n in ahead for name in names if n in ahead[name] and name in ahead[n]}
    for first in names:
        for second in names:
            if second in ahead[first] or first in ahead[second]:
                between |= {n for n in ahead[first] if second in ahead[n]}
                continue
            above = {n for n in ahead if first in ahead[n] and second in ahead[n]}
            below = ahead[first] & ahead[second]
            nearest = {
                n for n in below if not any(t == n and s in below for s, t, _ in frame.edges)
            }
            if above:
                tying |= above | {
                    n
                    for n in ahead
                    if any(n in ahead[a] for a in above) and ahead[n] & {first, second}
                }
            else:
                tying |= {n for n in ahead[first] | ahead[second] if ahead[n] & nearest}
    kept = between | tying
    part = OracleFrame(
        {n: set(refs) for n, refs in frame.variables.items() if n in kept},
        {n: (op, set(calls)) for n, (op, calls) in frame.functions.items() if n in kept},
        {e for e in frame.edges if {e[0], e[1]} <= kept},
    )
    gone: set[tuple[str, bytes]] = {
        (name, ref)
        for name in (between - tying) & part.variables.keys()
        for ref in oracle.loose(part, name, back=True)
    }
    while True:
        more: set[tuple[str, bytes]] = {
            (name, call)
            for name, (_, calls) in part.functions.items()
            for call in calls
            if oracle.parents(part, name, call) & gone
        } | {
            (name, ref)
            for name, refs in part.variables.items()
            for ref in refs
            if (made := oracle.parents(part, name, ref)) and made <= gone
        }
        if more <= gone:
            break
        gone |= more
    return OracleFrame(
        {n: {r for r in refs if (n, r) not in gone} for n, refs in part.variables.items()},
        {
            n: (op, {c for c in calls if (n, c) not in gone})
            for n, (op, calls) in part.functions.items()
        },
        part.edges,
    )
