"""The commands on a store: the flag is wired, the exit code is right, ``--json`` parses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.cli.commands import _COMMANDS
from mandala_cas.cli.main import main, parser
from mandala_cas.imports import Storage, op
from mandala_cas.storage.opening import open_store
from mandala_cas.values.file_cache import FileCache

Run = Callable[..., tuple[int, str, str]]

ON_A_STORE = sorted(set(_COMMANDS) - {"demo", "key"})


@op
def noise(seed: int) -> bytes:
    """Return a value that is an object of its own."""
    return bytes([seed]) * (2 << 20)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a folder with a store of two calls."""
    with Storage(tmp_path / "store") as storage:
        noise(1)
        noise(2)
    storage.close()
    return tmp_path / "store"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command, and gives its exit code, output and diagnostics."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def hid_of_first_call(store: Path) -> str:
    """Return the hid of the call that was made first."""
    frame = Storage(store, mode="r").cf("noise")
    return min(frame.calls_by_func()["noise"], key=lambda call: call.started).hid


def drop_everything(store: Path) -> None:
    """Drop all calls."""
    storage = Storage(store)
    storage.drop_calls(storage.cf("noise").calls_by_func()["noise"])
    storage.close()


def arguments_of(command: str, store: Path) -> list[str]:
    """Return a way to call a command."""
    more = {
        "evict": [str(store.parent / "other")],
        "tag": ["best", "00" * 16],
        "untag": ["best"],
    }
    return [command, str(store), *more.get(command, [])]


@pytest.mark.parametrize("command", ["demo", "key", *ON_A_STORE])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In lines that fit a terminal."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])

    printed = capsys.readouterr().out
    assert f"usage: mandala-cas {command}" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_every_command_has_a_function() -> None:
    """One that is only parsed would end in a traceback."""
    (commands,) = (action for action in parser()._actions if action.dest == "command")

    assert commands.choices is not None
    assert sorted(commands.choices) == sorted(_COMMANDS)


@pytest.mark.parametrize("command", ON_A_STORE)
def test_a_mistyped_name_makes_no_store(command: str, tmp_path: Path, run: Run) -> None:
    """Not even for those commands that write."""
    code, out, err = run(*arguments_of(command, tmp_path / "mistyped"))

    assert (code, out) == (3, "")
    assert err.startswith("mandala-cas: there is no store at")
    assert list(tmp_path.iterdir()) == []


def test_stats_are_printed(store: Path, run: Run) -> None:
    """For people, for programs, and with a listing."""
    code, out, _ = run("stats", store)
    _, data, _ = run("stats", store, "--json")
    _, listed, _ = run("stats", store, "--json", "--listed")

    assert code == 0
    assert out.startswith("2 calls, 0 tags; 1 segment, 0 runs in the log")
    assert json.loads(data)["by_folder"] is None
    assert json.loads(listed)["by_folder"]["blobs/"]["object_count"] == 2


def test_health_is_printed(store: Path, run: Run) -> None:
    """With what to do, if anything."""
    code, out, _ = run("health", store)
    _, data, _ = run("health", store, "--json")

    assert code == 0
    assert out.endswith("nothing to do\n")
    assert json.loads(data)["ok"]


def test_fsck_says_by_its_exit_code_whether_a_store_is_whole(store: Path, run: Run) -> None:
    """Scripts look at nothing else."""
    whole, _, _ = run("fsck", store)
    next((store / "blobs").rglob("*/*")).unlink()

    damaged, out, err = run("fsck", store)
    _, data, _ = run("fsck", store, "--json")

    assert (whole, damaged, err) == (0, 5, "")
    assert "1 problem found" in out
    assert json.loads(data)["problems"][0]["kind"] == "missing payload"


def test_fsck_looks_as_closely_as_it_is_told(store: Path, run: Run) -> None:
    """And at a part only, if that is asked for."""
    for words, level, sample in (
        (["--level", "meta"], "meta", ""),
        (["--level", "data"], "data", ""),
        (["--level", "data", "--sample", "50%"], "data", "50%"),
        (["--level", "data", "--sample", "2/7"], "data", "2/7"),
    ):
        code, data, _ = run("fsck", store, "--json", *words)

        report = json.loads(data)
        assert (code, report["level"]) == (0, level)
        assert bool(report["sample"]) == bool(sample)


@pytest.mark.parametrize("sample", ["a%", "2", "1/x", "%5", "10%%", "0/3", "200%"])
def test_a_sample_that_is_none_is_refused(sample: str, store: Path, run: Run) -> None:
    """A part that was mistyped must not become another one."""
    code, _, err = run("fsck", store, "--level", "data", "--sample", sample)

    assert code == 2
    assert "ample" in err


def test_a_sample_needs_the_level_that_reads(store: Path, run: Run) -> None:
    """At any other it would do nothing."""
    for command in ("fsck", "repair"):
        assert run(command, store, "--sample", "10%")[0] == 2


def test_repair_mends_what_fsck_found(store: Path, run: Run) -> None:
    """At the level that found it."""
    blob = next((store / "blobs").rglob("*/*"))
    data = bytearray(blob.read_bytes())
    blob.unlink()
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)

    nothing = run("repair", store)
    code, out, _ = run("repair", store, "--level", "data")

    assert nothing[:2] == (0, "nothing to repair\n")
    assert code == 0
    assert "counted as lost: 1 call of " in out
    assert run("fsck", store, "--level", "data")[0] == 0


def test_repair_that_has_to_leave_something_says_so(
    store: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script must not take the store for whole."""
    report = type(Storage(store).repair())
    monkeypatch.setattr(report, "ok", property(lambda _: False))

    assert run("repair", store)[0] == 5


def test_gc_shows_first_and_deletes_if_told(store: Path, run: Run) -> None:
    """With the days of grace that were given."""
    drop_everything(store)

    young = run("gc", store, "--json")
    shown = run("gc", store, "--grace", "0")
    done = run("gc", store, "--grace", "0", "--delete", "--json")

    assert json.loads(young[1])["deleted"] == []
    assert json.loads(young[1])["grace_s"] == 7 * 86_400
    assert shown[1].startswith("would delete 2 objects")
    assert json.loads(done[1])["carried_out"]
    assert list((store / "blobs").rglob("*/*")) == []


def test_compact_merges_everything_if_told(store: Path, run: Run) -> None:
    """Otherwise what is worth it."""
    little = run("compact", store)
    code, data, _ = run("compact", store, "--full", "--json")

    assert little[1].startswith("merged   nothing")
    assert code == 0
    assert json.loads(data)["segment_count"] == 1


def test_evict_frees_what_another_store_holds(store: Path, run: Run) -> None:
    """After reading it there, if told."""
    with Storage(store.parent / "other") as other:
        noise(1)
    other.close()

    code, data, _ = run("evict", store, store.parent / "other", "--verify", "--json")

    assert code == 0
    assert len(json.loads(data)["freed"]) == 1


def test_files_frees_what_no_process_was_given(
    store: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If told; else it says where they are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    cache = Storage(store).file_cache.path
    for number in range(2):
        (cache / f"{number:032x}").mkdir(parents=True)
        (cache / f"{number:032x}" / "a").write_bytes(bytes(2048))
    FileCache(cache).find(f"{1:032x}", lambda _: True)

    looked = run("files", store)
    freed = run("files", store, "--clear")
    code, data, _ = run("files", store, "--clear", "--json")

    assert looked == (0, f"4.0 KiB in {cache}\n", "")
    assert freed[1].splitlines()[0] == "freed 2.0 KiB"
    assert freed[1].splitlines()[1].startswith(f"left 2.0 KiB in {cache}, which processes")
    assert (code, json.loads(data)) == (0, {"path": str(cache), "size": 2048, "freed": 0})


def test_evict_needs_a_store_that_is_there(store: Path, run: Run) -> None:
    """And makes none."""
    assert run("evict", store, store.parent / "nowhere")[0] == 3
    assert not (store.parent / "nowhere").exists()


def test_tags_are_put_listed_and_taken_off(store: Path, run: Run) -> None:
    """By hid, as a table has them."""
    hid = hid_of_first_call(store)

    put = run("tag", store, "best", hid)
    listed = run("tags", store)
    data = run("tags", store, "--json")
    taken = run("untag", store, "best", hid)

    assert put[0] == taken[0] == 0
    assert put[1] == listed[1]
    assert hid in listed[1]
    assert json.loads(data[1]) == {"best": [hid]}
    assert taken[1] == run("tags", store)[1] == "no such tag is in use\n"


def test_tagging_prints_json_if_told(store: Path, run: Run) -> None:
    """What the one tag is on now."""
    hid = hid_of_first_call(store)
    run("tag", store, "other", hid)

    put = run("tag", store, "best", hid, "--json")
    taken = run("untag", store, "best", "--json")

    assert json.loads(put[1]) == {"best": [hid]}
    assert json.loads(taken[1]) == {}


def test_a_hid_that_is_none_is_refused(store: Path, run: Run) -> None:
    """Nothing is put on nothing."""
    assert run("tag", store, "best", "00" * 16)[0] == 3
    assert run("tag", store, "best", "no hid")[0] == 2
    assert run("untag", store, "best")[0] == 3


def test_storage_options_reach_the_file_system(
    store: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words stay words; what is JSON is what it says."""
    given: list[Any] = []

    def spy(where: str, options: Any = None, **more: Any) -> Any:
        given.append(options)
        return open_store(where, None, **more)

    monkeypatch.setattr("mandala_cas.storage.assembly.open_store", spy)
    words = ["key=abc", "anon=true", 'client_kwargs={"region_name": "eu"}', "secret=a=b"]

    run("stats", store, *(part for word in words for part in ("--option", word)))

    assert given == [
        {"key": "abc", "anon": True, "client_kwargs": {"region_name": "eu"}, "secret": "a=b"}
    ]


def test_an_option_without_a_value_is_refused(store: Path, run: Run) -> None:
    """It names the form."""
    for word in ("key", "=value"):
        code, _, err = run("stats", store, "--option", word)

        assert code == 2
        assert "NAME=VALUE" in err


def test_a_warning_is_a_line_for_people(store: Path, run: Run) -> None:
    """Where in our code it arose helps nobody."""
    (segment,) = (store / "manifest" / "1-log").iterdir()
    segment.unlink()
    segment.write_bytes(b"damaged")

    code, out, err = run("stats", store)

    assert code == 0
    assert out.startswith("0 calls")
    assert err.startswith("mandala-cas: warning: skipped a damaged log object")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["stats", "health", "fsck", "gc", "tags"])
def test_commands_that_look_write_nothing(command: str, store: Path, run: Run) -> None:
    """They run with credentials that may only read."""
    # What a process that died has left is looked at by who may write, under a lock.
    (store / "local" / "journal").mkdir(parents=True, exist_ok=True)
    (store / "local" / "journal" / "0011223344556677-000000").write_bytes(b"torn")
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}

    run(command, store)

    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_an_interruption_is_no_traceback(
    store: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that nothing is lost."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mandala_cas.storage.storage.Storage.stats", interrupt)

    code, _, err = run("stats", store)

    assert code == 130
    assert "run it again" in err
