"""The entry point of `mandala-cas` and `mcas`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mandala_cas._version import __version__
from mandala_cas.cli.exit_codes import INTERRUPTED, OK, exit_code_of
from mandala_cas.errors import MandalaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; diagnostics go to standard error."""
    options = _parser().parse_args(arguments)
    try:
        from mandala_cas.cli.demo import run_demo  # noqa: PLC0415 (--help needs nothing of it)

        run_demo(options.folder)
    except MandalaError as error:
        print(f"mandala-cas: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print(
            "mandala-cas: interrupted; what was computed is kept, run it again to go on",
            file=sys.stderr,
        )
        return INTERRUPTED
    return OK


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="mandala-cas",
        description="Remember every call of your functions, and query what was computed.",
    )
    parser.add_argument("--version", action="version", version=f"mandala-cas {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
