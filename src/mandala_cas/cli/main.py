"""The entry point of `mandala-cas` and `mcas`."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from mandala_cas._version import __version__
from mandala_cas.cli.exit_codes import INTERRUPTED, exit_code_of
from mandala_cas.errors import MandalaError, MandalaWarning

_STORE_HELP = "a folder, or a URL such as s3://bucket/folder"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; diagnostics go to standard error."""
    options = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            # A line of this program's code says nothing to whoever runs it.
            warnings.simplefilter("always", MandalaWarning)
            warnings.showwarning = _show_warning
            from mandala_cas.cli.commands import run  # noqa: PLC0415 (--help needs nothing of it)

            return run(options.command, vars(options))
    except MandalaError as error:
        print(f"mandala-cas: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print(
            "mandala-cas: interrupted; what was done is kept, run it again to go on",
            file=sys.stderr,
        )
        return INTERRUPTED


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as one line."""
    print(f"mandala-cas: warning: {message}", file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="mandala-cas",
        description="Remember every call of your functions, and query what was computed.",
    )
    parser.add_argument("--version", action="version", version=f"mandala-cas {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    demo = commands.add_parser(
        "demo",
        help="run a small machine-learning project; run it again, and it computes nothing",
        description=(
            "Train a few random forests with every call remembered in a store on disk, tabulate "
            "what was computed, and draw it. Run again, it computes nothing."
        ),
    )
    demo.add_argument(
        "--folder",
        type=Path,
        default=Path("mandala-cas-demo"),
        help="where the store and the drawing go (default: %(default)s)",
    )
    _add_questions(commands)
    _add_work(commands)
    _add_tags(commands)
    _add_keys(commands)
    return parser


def _add_questions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that only read."""
    stats = _store_command(commands, "stats", "count calls and bytes, by op and by where they are")
    stats.add_argument(
        "--listed", action="store_true", help="also list the store, for the sizes of its folders"
    )
    _store_command(commands, "health", "say what needs attention: compaction, collection, damage")
    fsck = _store_command(
        commands,
        "fsck",
        "verify the promises of a store; changes nothing, exit code 5 if one is broken",
    )
    _add_closeness(fsck)


def _add_closeness(command: argparse.ArgumentParser) -> None:
    """Add how closely a command looks at a store."""
    command.add_argument(
        "--level",
        choices=("meta", "refs", "data"),
        default="refs",
        help=(
            "meta: every log object; refs: and that all payload is there; data: and that its bytes "
            "are right (default: %(default)s)"
        ),
    )
    command.add_argument(
        "--sample",
        metavar="PART",
        help="with --level data, read only a part: 10%%, or 2/7 for the second of seven parts",
    )


def _add_work(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that keep a store up."""
    repair = _store_command(
        commands,
        "repair",
        "put damaged objects aside, fetch other copies, have lost calls computed again; exit code "
        "5 if something is left as it was",
    )
    _add_closeness(repair)
    gc = _store_command(commands, "gc", "show what nothing uses; with --delete, delete it")
    gc.add_argument("--delete", action="store_true", help="delete it")
    gc.add_argument(
        "--grace",
        type=float,
        metavar="DAYS",
        help="leave alone what is younger (default: 7)",
    )
    compact = _store_command(commands, "compact", "make a store quick to open, and smaller")
    compact.add_argument("--full", action="store_true", help="merge everything, also what is large")
    evict = _store_command(
        commands, "evict", "free local values that another store holds; calls stay on record"
    )
    evict.add_argument("remote", metavar="REMOTE", help="the store that holds them")
    evict.add_argument(
        "--verify", action="store_true", help="read every value there before it is freed here"
    )
    files = _store_command(
        commands, "files", "say how much this machine keeps of a store's files, and where"
    )
    files.add_argument(
        "--clear", action="store_true", help="remove all that no running process was given"
    )


def _add_tags(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands for names that people give."""
    _store_command(commands, "tags", "list the tags, and what they are on")
    tag = _store_command(commands, "tag", "give refs or calls a name, which keeps their values")
    tag.add_argument("name", metavar="NAME", help="the name, of 200 characters at most")
    tag.add_argument("hids", metavar="HID", nargs="+", help="the hid of a call or a ref")
    untag = _store_command(commands, "untag", "take a tag off")
    untag.add_argument("name", metavar="NAME", help="the name, of 200 characters at most")
    untag.add_argument("hids", metavar="HID", nargs="*", help="of these only (default: of all)")


def _add_keys(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands about keys, which concern a user, and no store."""
    summary = "look after your signing key, and the keys that you trust"
    key = commands.add_parser("key", help=summary, description=f"{_sentence(summary)}.")
    keys = key.add_subparsers(
        title="commands", metavar="COMMAND", dest="key_command", required=True
    )
    show = _key_command(keys, "show", "print the id of your key, which others need to trust you")
    show.add_argument("--make", action="store_true", help="make a key if there is none")
    export = _key_command(
        keys,
        "export",
        "write your secret key to a new file that only you can read",
        has_json=False,
    )
    export.add_argument("file", metavar="FILE", help="the file, or - for standard output")
    take = _key_command(
        keys, "import", "take a secret key that was exported for your own", has_json=False
    )
    take.add_argument("file", metavar="FILE", help="the file, or - for standard input")
    take.add_argument(
        "--replace", action="store_true", help="if you have another key, keep that one beside it"
    )
    trust = _key_command(keys, "trust", "decode from now on the pickles that a key signed")
    trust.add_argument("key_id", metavar="KEY_ID", help="all 32 digits of the key's id")
    trust.add_argument("--name", help="whose key it is, for messages")
    revoke = _key_command(keys, "revoke", "decode no longer the pickles that a key signed")
    revoke.add_argument(
        "key_id", metavar="KEY_ID", help="the key's id, at least 16 digits of it, or its name"
    )
    _key_command(keys, "list", "list your key and the keys that you trust, or did")


def _key_command(
    keys: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    description: str,
    *,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    """Add a command about keys; return its parser."""
    command = keys.add_parser(name, help=description, description=f"{_sentence(description)}.")
    if has_json:
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
    return command


def _sentence(text: str) -> str:
    """Return text as it begins a sentence."""
    return f"{text[0].upper()}{text[1:]}"


def _store_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, description: str
) -> argparse.ArgumentParser:
    """Add a command that works on a store; return its parser."""
    command = commands.add_parser(name, help=description, description=f"{_sentence(description)}.")
    command.add_argument("store", metavar="STORE", help=_STORE_HELP)
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=("a storage option of STORE's file system, such as endpoint_url=...; may be repeated"),
    )
    return command


if __name__ == "__main__":
    sys.exit(main())
