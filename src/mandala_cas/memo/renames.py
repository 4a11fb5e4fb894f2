"""Ops and arguments that had other names: where their old calls are looked for, and who may."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mandala_cas.errors import UsageError
from mandala_cas.memo.binding import Binder
from mandala_cas.memo.registry import live_definitions
from mandala_cas.memo.request import Input, Request
from mandala_cas.memo.settings import OpSettings

# A notebook or a script: what a cell defined before is there until somebody deletes it.
_MAIN: Final = "__main__"
# Each set of arguments that may have had its old name is one more look-up, at every miss.
_SETS_MAX: Final = 16


def check_renames(op_name: str, module: str, settings: OpSettings, binder: Binder) -> None:
    """Refuse renames that contradict the signature, or an op that is in use.

    Raises:
        UsageError: saying which name, and whose it is.
    """
    binder.check_known(settings.renamed_args.values(), "renamed_args")
    for old in settings.renamed_args:
        # Where two arguments swapped their names, what is on record under the present names would
        # be taken for what it is not.
        if old in binder.parameters:
            raise UsageError(
                f"{op_name}: renamed_args says that {old!r} has another name now, and it is still "
                "an argument of the op; choose a name that it never had, or give the op another",
                op=op_name,
                argument=old,
            )
    for other in live_definitions():
        if other.name == op_name or module == other.module == _MAIN:
            continue
        where = f"({other.module or 'its module'})"
        if other.name in settings.previous_names:
            raise UsageError(
                f"{op_name}: previous_names has {other.name!r}, and there is an op of this name "
                f"{where} in this process; give one of them another name, or delete the op that "
                "is no longer used",
                op=op_name,
                other=other.name,
            )
        if op_name in other.settings.previous_names:
            raise UsageError(
                f"{op_name}: this was the name of op {other.name} {where}, which answers for its "
                "old calls; give this op another name",
                op=op_name,
                other=other.name,
            )


def under_old_names(request: Request) -> Iterator[Request]:
    """Yield what the call would have been called before, the most recent name first."""
    definition = request.definition
    settings = definition.settings
    prefix = request.op_name.removesuffix(definition.name)
    for name in (definition.name, *settings.previous_names):
        for inputs in _under_old_arguments(request.inputs, settings.renamed_args):
            if name != definition.name or inputs is not request.inputs:
                yield request.under(prefix + name, inputs)


def _under_old_arguments(
    inputs: Sequence[Input], renamed: Mapping[str, str]
) -> Iterator[Sequence[Input]]:
    """Yield the inputs as they are, and with the old names of those that had another one."""
    yield inputs
    given = {name for name, _, _ in inputs}
    old_names = [(new, old) for old, new in renamed.items() if new in given]
    count = len(old_names)
    # All together first: that is what calls from before the renaming have.
    sets = (s for size in range(count, 0, -1) for s in itertools.combinations(old_names, size))
    for chosen in itertools.islice(sets, _SETS_MAX):
        old_of = dict(chosen)
        yield [(old_of.get(name, name), *ids) for name, *ids in inputs]  # type: ignore[misc]  # a triple
