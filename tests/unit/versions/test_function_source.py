"""Source hashes: what counts as a change of a function, and what does not."""

from __future__ import annotations

import functools
import linecache
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mandala_cas.versions.source import Source, source_hash

Load = Callable[..., ModuleType]

BASE = """
def f(x, y=1):
    total = x + y
    return [total, "a b"]
"""


MANY_KINDS_OF_NODES = """
def f(x: int, *y, z=None):
    match x:
        case {"a": [1, *rest], **kw} if kw: pass
        case str() | None as q: return -1.5
    with open(x) as a, (open(y)): print(f'{x!r:>3} {x=} {y:{z}.{z}}' "abc" f"{a}", {**z}, 1e999)
    async def g(): return [i async for i in x[1:, ::2] if i]
    try: lambda a, /, b=1, *, c: (yield b'\\xff', ..., 3j)
    except* ValueError as e: raise
    class C(list, metaclass=type):
        a: int
        b: int = 2
    del x; global w; assert y, "s"; import a.b as c; from . import d
    return x if y else (z := 0xff)
"""


SAME = {
    "comments": """
def f(x, y=1):  # a comment
    # another
    total = x + y
    return [total, "a b"]
""",
    "docstring": '''
def f(x, y=1):
    """Return it."""
    total = x + y
    return [total, "a b"]
''',
    "formatting": """
def f(
    x,
    y = 1,
):

    total = (x
             + y)
    return [
        total,
        'a b',
    ]
""",
    "statements that do nothing": """
def f(x, y=1):
    pass
    ...
    "nothing"
    total = x + y
    return [total, "a b"]
""",
    "hints": """
def f(x: int, y: "int" = 1) -> list[object]:
    total: int = x + y
    other: str
    return [total, "a b"]
""",
    "name": """
def f(x, y=1):
    total = x + y
    return [total, "a b"]
f_before = f
""",
    "implicit concatenation": """
def f(x, y=1):
    total = x + y
    return [total, "a" " b"]
""",
    "op": """
def op(function=None, **options):
    return function if function else lambda function: function
@op
def f(x, y=1):
    total = x + y
    return [total, "a b"]
""",
    "op with options": """
import types
def plain(function=None, **options):
    return function if function else lambda function: function
m = types.SimpleNamespace(op=plain)
@plain
@m.op(output_names=["a"],
      version="2")
def f(x, y=1):
    total = x + y
    return [total, "a b"]
""",
    "in a class": """
class C:
    def f(x, y=1):
        total = x + y
        return [total, "a b"]
f = C.f
""",
    "in a function": """
def outer():
        def f(x, y=1):
            total = x + y
            return [total, "a b"]
        return f
f = outer()
""",
}

DIFFERENT = {
    "constant": BASE.replace('"a b"', '"a  b"'),
    "bytes": BASE.replace('"a b"', 'b"a b"'),
    "default": BASE.replace("y=1", "y=2"),
    "default of another type": BASE.replace("y=1", "y=1.0"),
    "default that equals it": BASE.replace("y=1", "y=True"),
    "no default": BASE.replace("y=1", "y"),
    "parameter kind": BASE.replace("y=1", "*, y=1"),
    "operator": BASE.replace("+", "-"),
    "variable": BASE.replace("total", "result"),
    "bytes that look like text": BASE.replace('"a b"', 'b"str:a b"'),
    "empty text": BASE.replace('"a b"', '"a b", ""'),
    "order": BASE.replace("x + y", "y + x"),
    "statement": BASE.replace("return", "print(x); return"),
    "None instead of nothing": BASE.replace("return [total", "return [None, total"),
    "decorator below op": """
def op(function):
    return function
twice = op
@op
@twice
def f(x, y=1):
    total = x + y
    return [total, "a b"]
""",
    "async": BASE.replace("def", "async def"),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_what_does_not_change_a_function_does_not_count(load: Load, text: str) -> None:
    """A warning of stale results after a reformatting would teach people to ignore warnings."""
    assert source_hash(load(text).f) == source_hash(load(BASE).f)


@pytest.mark.parametrize("text", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_may_change_a_result_counts(load: Load, text: str) -> None:
    """Otherwise stale results go unnoticed."""
    assert source_hash(load(text).f) != source_hash(load(BASE).f)


def test_line_endings_do_not_count(load: Load) -> None:
    """The same repository, checked out on Windows; also within a string."""
    text = 'def f():\n    return """a\nb"""\n'

    assert source_hash(load(text).f) == source_hash(load(text, newline="\r\n").f)


def test_a_string_over_several_lines_does_not_depend_on_the_nesting(load: Load) -> None:
    """Its text may begin left of the function; dedenting the source would change or break it."""
    flat = 'def f():\n    return """a\n  b\nc"""\n'
    nested = 'class C:\n    def f():\n        return """a\n  b\nc"""\nf = C.f\n'
    moved = 'class C:\n    def f():\n        return """a\n      b\nc"""\nf = C.f\n'

    assert source_hash(load(nested).f) == source_hash(load(flat).f)
    assert source_hash(load(moved).f) != source_hash(load(flat).f)


def test_the_fields_of_a_nested_class_count(load: Load) -> None:
    """In a class body a hint declares a field, for dataclasses; which type it is does not count."""
    text = "def f():\n    class C:\n        a: int\n        b: int = 1\n    return C\n"

    def hash_of(text: str) -> bytes:
        return source_hash(load(text).f)

    assert hash_of(text.replace("int", "str")) == hash_of(text)
    assert hash_of(text.replace("a: int", "z: int")) != hash_of(text)
    assert hash_of(text.replace("        a: int\n", "")) != hash_of(text)
    in_method = "def f():\n    class C:\n        def g():\n            {}pass\n    return C\n"
    assert hash_of(in_method.format("a: int; ")) == hash_of(in_method.format(""))


def test_a_very_long_expression_has_a_hash(load: Load) -> None:
    """Its tree is deeper than the stack of a recursive walk."""
    text = f"def f(x):\n    return {' + '.join(['x'] * 900)}\n"

    assert source_hash(load(text).f) != source_hash(load(text.replace("x + x", "x - x", 1)).f)


def test_a_very_long_integer_has_a_hash(load: Load) -> None:
    """Python refuses to print it in decimal."""
    text = f"def f():\n    return 0x{'f' * 5000}\n"

    assert source_hash(load(text).f) != source_hash(load(text.replace("ff", "fe", 1)).f)


def test_a_branch_that_does_nothing_does_not_count(load: Load) -> None:
    """Neither does the empty text that some Pythons put into formats."""
    text = "def f(x):\n    if x:\n        return 1\n"
    formatted = "def f(x):\n    return f'{x:{x}}'\n"

    assert source_hash(load(text + "    else:\n        pass\n").f) == source_hash(load(text).f)
    assert source_hash(load(formatted.replace("return f", "return '' f")).f) == source_hash(
        load(formatted).f
    )


def test_what_the_compiler_warned_of_is_no_obstacle(load: Load) -> None:
    """The lines are parsed again, and here every warning is an error."""
    text = 'def f():\n    return "\\d"\n'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warned = load(text).f

    assert source_hash(warned) == source_hash(load(text.replace("\\d", "\\\\d")).f)


def test_a_wrapped_function_is_hashed_itself(load: Load) -> None:
    """``functools.wraps`` says where it is; the decorator is named above it."""
    text = "import functools\n@functools.lru_cache\ndef f(x):\n    return x\n"

    module = load(text)

    assert source_hash(module.f) == source_hash(module.f.__wrapped__)
    assert source_hash(module.f) != source_hash(load(text.replace("return x", "return 2")).f)


def test_the_arguments_that_a_partial_fixes_do_not_count(load: Load) -> None:
    """They are inputs of every call, and told apart as those are."""
    f = load(BASE).f

    assert source_hash(functools.partial(f, 1)) == source_hash(f)
    assert source_hash(functools.partial(f, y=2)) == source_hash(f)


def test_a_file_that_is_edited_later_does_not_pass_for_the_code_that_ran(load: Load) -> None:
    """Editing while a notebook runs is the normal case, and hashes are made at first need."""
    module = load(BASE)
    expected = source_hash(module.f)
    source = Source(module.f)
    assert module.__file__ is not None
    Path(module.__file__).write_text(BASE.replace("x + y", "x - y - 1"))
    linecache.checkcache()

    assert source.hash == expected
    assert source_hash(module.f) != expected


def test_the_hash_is_made_once(load: Load) -> None:
    """Parsing takes a millisecond."""
    source = Source(load(BASE).f)

    assert source.hash is source.hash


def test_the_hash_is_the_published_one(load: Load) -> None:
    """It is in every store: another value, on any Python, would call every result stale."""
    assert source_hash(load(MANY_KINDS_OF_NODES).f).hex() == "d9ff413f2f04b94e1d77f03080e2e456"
