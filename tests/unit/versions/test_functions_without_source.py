"""Functions that are told apart by their instructions: there is no tree to look at."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mandala_cas.versions.source import source_hash

Load = Callable[..., ModuleType]

BASE = """
def f(x, y=1):
    total = x + y
    return [total, "a b"]
"""
CHANGES = [
    ('"a b"', '"a  b"'),
    ('"a b"', 'b"a b"'),
    ("y=1", "y=2"),
    ("y=1", "y=1.0"),
    ("y=1", "y=True"),
    ("y=1", "y"),
    ("y=1", "*, y=1"),
    ("+", "-"),
    ("total", "result"),
    ("x + y", "y + x"),
    ("return", "print(x); return"),
    ("def", "async def"),
]


def evaluated(text: str) -> Any:
    """Return the value of an expression that no file holds."""
    return eval(text)  # noqa: S307 (code without a source is what is tested)


def executed(text: str) -> Any:
    """Return the function ``f`` of a text that no file holds."""
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102 (code without a source is what is tested)
    return names["f"]


class TestWithoutSource:
    """Functions that are told apart by their instructions."""

    def test_equal_code_has_equal_hashes(self) -> None:
        """Wherever it was made, and whatever its documentation says."""
        documented = BASE.replace("    total =", '    """Return it."""\n    total =')

        assert source_hash(executed(BASE)) == source_hash(executed("\n\n" + BASE))
        assert source_hash(executed(BASE)) == source_hash(executed(documented))

    @pytest.mark.parametrize(("old", "new"), CHANGES)
    def test_other_code_has_other_hashes(self, old: str, new: str) -> None:
        """The same changes as in source."""
        assert source_hash(executed(BASE.replace(old, new))) != source_hash(executed(BASE))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("lambda x: x + 1", "lambda x: x + 2"),
            ("lambda x: x.a", "lambda x: x.b"),
            ("lambda x: x in {1, 2}", "lambda x: x in {1, 3}"),
            ("lambda x: x in {1, 2}", "lambda x: x in {1, 2.0}"),
            ("lambda: (1, (2, 3))", "lambda: (1, 2, 3)"),
            ("lambda: lambda: 1", "lambda: lambda: 2"),
            ("lambda *, k=1: k", "lambda *, k=2: k"),
            ("lambda: 1", "lambda: 1j"),
            ("lambda *a: a", "lambda **a: a"),
            ("lambda a, b: a", "lambda a, *, b: a"),
            ("lambda a, /: a", "lambda a: a"),
            ("lambda: ...", "lambda: None"),
        ],
    )
    def test_lambdas_are_told_apart(self, one: str, other: str) -> None:
        """Their lines hold a statement around them, so they count as having no source."""
        assert source_hash(evaluated(one)) == source_hash(evaluated(f"(  {one})"))
        assert source_hash(evaluated(one)) != source_hash(evaluated(other))

    def test_a_set_of_constants_has_no_order(self) -> None:
        """Strings come in another order in every process, these numbers as they were added."""
        forth, back = evaluated("lambda x: x in {0, 8}"), evaluated("lambda x: x in {8, 0}")

        assert source_hash(forth) == source_hash(back)

    def test_where_a_constant_is_kept_does_not_count(self) -> None:
        """A docstring moves the others up, and a large number takes an instruction more."""
        text = "def f(x):\n    x = None\n" + "".join(f"    x += {i}.5\n" for i in range(300))
        documented = text.replace("x = None", '"""Add."""\n    x = None')

        assert source_hash(executed(documented)) == source_hash(executed(text))

    def test_a_line_that_does_nothing_does_not_count(self) -> None:
        """Compilers keep it for debuggers."""
        assert source_hash(executed("def f(x):\n    pass\n    return x")) == source_hash(
            executed("def f(x):\n    return x")
        )

    def test_a_lambda_in_a_file_is_hashed_by_its_instructions(self, load: Load) -> None:
        """Two on one line are told apart."""
        module = load("f, g = (lambda x: x + 1), (lambda x: x + 2)\nh = lambda x: x + 1\n")

        assert source_hash(module.f) != source_hash(module.g)
        assert source_hash(module.f) == source_hash(module.h)

    def test_what_is_not_written_in_python_goes_by_its_name(self) -> None:
        """There is nothing else to look at."""
        assert source_hash(len) == source_hash(len)
        assert source_hash(len) != source_hash(abs)

    def test_an_instance_goes_by_its_call_method(self, load: Load) -> None:
        """A callable object runs that."""
        text = "class C:\n    def __call__(self, x):\n        return x\n"

        one, same, other = (load(t).C() for t in (text, text, text.replace("return x", "return")))

        assert source_hash(one) == source_hash(same)
        assert source_hash(one) != source_hash(other)

    def test_an_instance_of_a_builtin_type_goes_by_its_type(self) -> None:
        """Whatever it is, there is a hash."""
        get: Any = functools.singledispatch
        assert source_hash(get) != source_hash(functools.cmp_to_key)

    def test_a_file_that_is_no_longer_there_is_no_source(self, load: Load) -> None:
        """The instructions are still in memory."""
        module = load(BASE)
        assert module.__file__ is not None
        Path(module.__file__).unlink()
        linecache.clearcache()

        assert source_hash(module.f) == source_hash(executed(BASE))

    def test_a_file_with_other_code_in_it_is_no_source(self, load: Load) -> None:
        """What stands at the function's line is another function, or no function at all."""
        texts = ["def g(x):\n    return x\n", "1 +\n", "def f(:\n", "x = '''\n", "pass\n"]

        for text in texts:
            module = load("def f(x):\n    return x\n")
            assert module.__file__ is not None
            Path(module.__file__).write_text(text + "\n\n")
            linecache.clearcache()
            assert source_hash(module.f) == source_hash(executed("def f(x): return x"))

    def test_an_object_that_has_every_attribute_has_a_hash(self) -> None:
        """Looking for what it wraps must end."""

        class Endless:
            """Wraps itself for ever."""

            @property
            def __wrapped__(self) -> Endless:
                """Return one more."""
                return Endless()

            def __call__(self) -> int:
                """Do nothing."""
                return 0

        assert source_hash(Endless()) == source_hash(Endless())
