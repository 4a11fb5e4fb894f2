"""The reference page of the commands, made from their parser.

``python -m tests.architecture.command_page`` writes it anew; a test compares.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mandala_cas.cli.main import parser

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

_HEAD: Final = """\
# Commands

The command is `mandala-cas`, or `mcas` for short.
This page is made from the parser of the command line; `mandala-cas COMMAND --help` says the same.

What people are told goes to standard output, warnings and errors to standard error.
`--json` prints what programs read: the same as the `to_dict()` of the report.
The exit code is 0, or tells what to do next; see [Errors](errors.md).
A command never makes a store: one that is not there is exit code 3.
"""


def command_page() -> str:
    """Return the text of the page."""
    top = parser()
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    sections = [
        section
        for name, command in commands.choices.items()
        for section in _sections(name, command)
    ]
    return "\n".join([_HEAD, *sections])


def _sections(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    """Yield what is said of a command, or of each of those below it."""
    below = [a for a in command._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield _section(name, command)
    for action in below:
        for word, inner in action.choices.items():
            yield from _sections(f"{name} {word}", inner)


def _section(name: str, command: argparse.ArgumentParser) -> str:
    """Return what is said of one command."""
    assert command.description is not None, "every command says what it does"
    actions = [action for action in command._actions if action.dest != "help"]
    words = " ".join(_usage(action) for action in _in_order(actions))
    rows = [f"| `{_form(action)}` | {_help(command, action)} |" for action in _in_order(actions)]
    # One sentence a line, as everywhere.
    text = command.description.replace(". ", ".\n")
    return "\n".join(
        [
            f"## `{name}`",
            "",
            text,
            "",
            "```sh",
            f"mandala-cas {name} {words}",
            "```",
            "",
            "| argument | meaning |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def _in_order(actions: list[argparse.Action]) -> Iterator[argparse.Action]:
    """Yield arguments by position first, as they are typed; then what is common comes last."""
    yield from (action for action in actions if not action.option_strings)
    common = {"json", "option"}
    options = [action for action in actions if action.option_strings]
    yield from sorted(options, key=lambda action: action.dest in common)


def _form(action: argparse.Action) -> str:
    """Return how an argument is written."""
    if not action.option_strings:
        return str(action.metavar)
    name = action.option_strings[-1]
    if action.nargs == 0:
        return name
    if action.choices is not None:
        return f"{name} " + " or ".join(map(str, action.choices))
    return f"{name} {action.metavar or action.dest.upper()}"


def _usage(action: argparse.Action) -> str:
    """Return an argument as it stands in a line that shows all of them."""
    form = _form(action).replace(" or ", "|")
    several = (
        " ..." if action.nargs in {"+", "*"} or isinstance(action, argparse._AppendAction) else ""
    )
    if action.option_strings or action.nargs == "*":
        return f"[{form}]{several}"
    return f"{form}{several}"


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return what an argument means, with its default filled in."""
    text = command._get_formatter()._expand_help(action) if action.help else ""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(command_page(), "utf-8")
