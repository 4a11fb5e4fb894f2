"""Whether results of other code may stand for those of the code that there is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def only_has_new_arguments(
    old: Collection[str],
    new: Collection[str],
    new_arguments: Collection[str],
    renamed: Mapping[str, str],
) -> bool:
    """Tell whether code differs in that it takes more arguments, each new by declaration.

    ``old`` and ``new`` are the parameters of the two, ``renamed`` gives present names by old ones.
    Who declares an argument as new says that at its default the code does what it did before, so
    the rest of the difference is taken to serve the new arguments.
    """
    before = {renamed.get(name, name) for name in old}
    added = set(new) - before
    return bool(added) and added <= set(new_arguments) and before <= set(new)
