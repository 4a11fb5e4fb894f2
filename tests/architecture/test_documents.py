"""Documents agree with the code, with the tools, and with one another."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.architecture.command_page import PAGE, command_page

from mandala_cas import errors, imports
from mandala_cas.cli.exit_codes import exit_code_of
from mandala_cas.cli.main import main
from mandala_cas.errors import MandalaError
from mandala_cas.frame.computation_frame import ComputationFrame

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# `text` in backticks, with a folder of the repository in front: a path that must exist.
PATH = re.compile(r"`((?:src|tests|docs|benchmarks|changelog\.d)/[\w./-]*)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"#+ +(.*)")
FRAGMENT = re.compile(r"(?:\d+|\+[a-z0-9-]+)\.(?:breaking|format|feature|fix|performance|docs)\.md")
PITFALLS = ROOT / "docs" / "explanation" / "pitfalls.md"
TRY_IT = "pip install '.[demo]' && mandala-cas demo"
TEST_IT = "pip install tox && tox"


def name_of(path: Path) -> str:
    """Return the path as people write it."""
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> list[str]:
    """Return the lines of a document that are in no code block."""
    lines = []
    in_code = False
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code:
            lines.append(line)
    return lines


def anchors(path: Path) -> set[str]:
    """Return what the headings of a document can be linked by."""
    headings = [found[1] for line in prose(path) if (found := HEADING.match(line))]
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


def table_rows(path: Path) -> list[list[str]]:
    """Return the cells of every table row of a document, backticks taken off."""
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in prose(path)
        if line.startswith("|")
    ]


def first_cells(heading: str, column: str) -> list[str]:
    """Return the first cells of those tables of a section whose first column is ``column``."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = [part.partition("\n\n")[0] for part in section.split(f"\n| {column} |")[1:]]
    return [line.split("|")[1].strip() for table in tables for line in table.splitlines()[2:]]


def project() -> dict[str, Any]:
    """Return what is in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """A reader who follows a link must arrive, on a web site as in a checkout."""
    broken = []
    for target in LINK.findall("\n".join(prose(path))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_paths_in_documents_exist(path: Path) -> None:
    """Files move, and documents must follow."""
    missing = [name for name in PATH.findall("\n".join(prose(path))) if not (ROOT / name).exists()]

    assert missing == []


def test_the_code_map_has_every_package_in_its_layer() -> None:
    """The map is what a newcomer reads first, and the contract is what the linter enforces."""
    contract = project()["tool"]["importlinter"]["contracts"][0]["layers"]
    layers = [name.strip() for layer in contract for name in layer.split("|")]
    package = Path(inspect.getfile(errors)).parent
    folders = {path.parent.name for path in package.glob("*/__init__.py")}

    rows = [row for row in table_rows(ROOT / "ARCHITECTURE.md") if row[0] in layers]

    assert [row[0] for row in rows] == layers
    assert folders == set(layers) - {"errors"}
    assert [row[2] for row in rows if not (package / row[2]).is_file()] == []


def test_the_architecture_can_be_read_in_one_sitting() -> None:
    """Longer, and nobody keeps it true."""
    lines = (ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()

    assert len(lines) < 250


def test_the_readme_has_the_two_commands() -> None:
    """They are what a stranger tries, to the letter."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()

    assert TRY_IT in lines
    assert TEST_IT in lines


def test_the_first_command_is_declared(capsys: pytest.CaptureFixture[str]) -> None:
    """The extra, the script and the sub-command are named in three other places."""
    declared = project()["project"]

    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--help"])

    assert "demo" in declared["optional-dependencies"]
    assert "mandala-cas" in declared["scripts"]
    assert stopped.value.code == 0
    assert "mandala-cas demo" in capsys.readouterr().out


def test_the_second_command_runs_everything() -> None:
    """What contributors are told to run alone must be what `tox` runs at once."""
    tox = (ROOT / "tox.ini").read_text("utf-8")
    told = re.findall(r"`tox -e (\w+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))

    listed = re.search(r"^env_list = (.*)$", tox, re.MULTILINE)

    assert listed is not None
    assert listed[1].split(", ") == told
    assert "tox" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_every_error_is_in_the_reference() -> None:
    """Programs compare codes, and scripts compare exit codes."""
    classes = [
        thing
        for thing in vars(errors).values()
        if isinstance(thing, type) and issubclass(thing, MandalaError)
    ]
    expected = [
        (
            error.__name__,
            error.code,
            ", ".join(base.__name__ for base in error.__bases__[1:]),
            str(exit_code_of(error("asked"))),
        )
        for error in classes
    ]

    rows = table_rows(ROOT / "docs" / "reference" / "errors.md")

    documented = [(row[0], row[1], row[2], row[4]) for row in rows if row[0].endswith("Error")]
    assert documented == expected


def test_every_public_name_is_in_the_reference() -> None:
    """What is imported with a star is found by its name."""
    page = "\n".join(prose(ROOT / "docs" / "reference" / "api.md"))

    missing = [name for name in imports.__all__ if f"`{name}`" not in page]

    assert missing == []


@pytest.mark.parametrize("name", ["Storage", "op"])
def test_parameters_are_those_of_the_reference(name: str) -> None:
    """A parameter that nobody can look up is not there; one that is gone misleads."""
    parameters = inspect.signature(getattr(imports, name)).parameters

    documented = [cell.strip("`") for cell in first_cells(f"`{name}`", "parameter")]

    assert documented == [parameter for parameter in parameters if parameter != "function"]


@pytest.mark.parametrize(
    ("heading", "thing"),
    [
        ("`Storage`", imports.Storage),
        ("`Ref`", imports.Ref),
        ("`Call`", imports.Call),
        ("Computation frames", ComputationFrame),
    ],
)
def test_members_in_the_reference_exist(heading: str, thing: type) -> None:
    """A page that promises more than there is costs its readers' trust."""
    names = [
        name
        for cell in first_cells(heading, "member")
        for name in re.findall(r"`(\w+)(?:\(.*?\))?`", cell)
    ]

    assert names
    assert [name for name in names if not hasattr(thing, name)] == []


def test_every_member_of_a_storage_is_in_the_reference() -> None:
    """What nobody can look up is not there."""
    for_frames_and_refs = {
        "load_call_metadata",
        "load_ref_value",
        "load_values",
        "make_call",
        "make_ref",
        "tables",
    }
    public = {name for name in dir(imports.Storage) if not name.startswith("_")}

    cells = first_cells("`Storage`", "member")

    documented = {name for cell in cells for name in re.findall(r"`(\w+)(?:\(.*?\))?`", cell)}
    assert documented == public - for_frames_and_refs


def test_signatures_of_members_are_those_of_the_reference() -> None:
    """A parameter that is not there is an error, and one that is not documented is not used."""
    cells = first_cells("`Storage`", "member")
    documented = [found for cell in cells for found in re.findall(r"`(\w+)\((.*?)\)`", cell)]

    assert documented
    for name, arguments in documented:
        expected = list(inspect.signature(getattr(imports.Storage, name)).parameters)[1:]
        words = [word.partition("=")[0] for word in arguments.split(", ")]
        assert [word for word in words if word.isidentifier()] == expected, name


def test_the_page_of_commands_is_made_from_their_parser() -> None:
    """Run ``python -m tests.architecture.command_page`` after a change."""
    assert PAGE.read_text("utf-8") == command_page()


def test_every_pitfall_has_a_test_that_exists() -> None:
    """A test that was renamed or removed would leave a promise that nobody keeps."""
    rows = [row for row in table_rows(PITFALLS) if row[0].isdigit()]
    missing = [
        named
        for row in rows
        for named in re.findall(r"(tests/[\w/]+\.py::\w+)", row[3])
        if not is_a_test(named)
    ]

    assert missing == []
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert [row[0] for row in rows if "::" not in row[3] or len(row) != 5] == []


def is_a_test(named: str) -> bool:
    """Tell whether ``path::name`` is a test function, in a class or not."""
    path, _, name = named.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))


def test_arguments_of_frames_are_those_of_the_reference() -> None:
    """They are many, and a wrong one is refused."""
    expanding = (
        ComputationFrame.expand_back,
        ComputationFrame.expand_forward,
        ComputationFrame.expand_all,
    )
    expected = {name for method in expanding for name in inspect.signature(method).parameters}
    expected |= set(inspect.signature(ComputationFrame.df).parameters)
    in_signatures = {"self", "varnames", "nodes"}

    cells = first_cells("Computation frames", "argument")

    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == expected - in_signatures


def test_changelog_fragments_have_a_kind() -> None:
    """A fragment of an unknown kind would be left out of the next release's notes."""
    names = [path.name for path in (ROOT / "changelog.d").iterdir()]

    assert names
    assert [name for name in names if not FRAGMENT.fullmatch(name)] == []


def test_every_page_is_in_the_navigation() -> None:
    """A page that no menu leads to is not read."""
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]

    listed = re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)

    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


def test_every_folder_of_tests_is_described() -> None:
    """Whoever adds a test must find where it belongs."""
    described = {
        row[0].removeprefix("tests/").rstrip("/")
        for row in table_rows(ROOT / "docs" / "contributing" / "testing.md")
        if row[0].startswith("tests/")
    }

    folders = {path.parts[len(ROOT.parts) + 1] for path in (ROOT / "tests").glob("*/**/*.py")}

    assert folders <= described


def test_code_in_documents_is_python() -> None:
    """Blocks that no test runs, because they need what is not here, must at least parse."""
    for path in DOCUMENTS:
        for block in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            ast.parse(block)


def test_the_tests_that_the_page_on_threats_names_are_there() -> None:
    """A claim whose test was renamed or removed is a claim that nobody checks."""
    named = [
        (cells[1], name)
        for cells in table_rows(ROOT / "docs" / "explanation" / "threat-model.md")
        if len(cells) == 3 and cells[1].startswith("tests/")
        for name in cells[2].split(", ")
    ]

    missing = [
        f"{file}: {name}"
        for file, name in named
        if f"def {name}(" not in (ROOT / file).read_text("utf-8")
    ]
    assert len(named) > 40
    assert missing == []
