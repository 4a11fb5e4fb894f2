"""The demo: a small machine-learning project whose every call is remembered.

The same story as the tutorial: run a pipeline, add an argument to one of its ops without losing
results, then ask the store what there is.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import rich.box
import rich.console
import rich.panel
import rich.table

from mandala_cas.errors import UsageError
from mandala_cas.imports import NewArgDefault, Storage, op

_SEEDS = (0, 1)
_FOREST_SIZES = (1, 10, 100)


# Which ops ran; an op that was answered from the store does not get here.
_executed: list[str] = []


@op(output_names=["x_train", "x_test", "y_train", "y_test"])
def generate_dataset(random_seed: int) -> Any:
    """Split scikit-learn's digits."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 (an extra)
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 (an extra)

    _executed.append("generate_dataset")
    x, y = load_digits(return_X_y=True)
    return tuple(train_test_split(x, y, test_size=0.2, random_state=random_seed))


# The argument came later than the first results did: calls with its default are the old ones.
@op(output_names=["model", "train_accuracy"])
def train_model(x_train: Any, y_train: Any, n_estimators: int = NewArgDefault(1)) -> Any:
    """Fit a random forest."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 (an extra)

    _executed.append("train_model")
    model = RandomForestClassifier(n_estimators=n_estimators, random_state=0)
    model.fit(x_train, y_train)
    return model, round(model.score(x_train, y_train), 2)


@op(output_names=["test_accuracy"])
def eval_model(model: Any, x_test: Any, y_test: Any) -> Any:
    """Score a model on data it has not seen."""
    _executed.append("eval_model")
    return round(model.score(x_test, y_test), 2)


def run_demo(folder: Path) -> None:
    """Run the demo in ``folder``, and say what was computed and where it is.

    Raises:
        UsageError: scikit-learn is not installed, or ``folder`` cannot hold a store.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError(
            "the demo needs scikit-learn, which is not installed: pip install 'mandala-cas[demo]'"
        )
    console = rich.console.Console()
    started = time.perf_counter()
    storage = Storage(folder / "store")
    _executed.clear()
    _explain_start(console, storage)
    with storage:
        for seed in _SEEDS:
            x_train, x_test, y_train, y_test = generate_dataset(seed)
            for size in _FOREST_SIZES:
                model, _ = train_model(x_train, y_train, n_estimators=size)
                eval_model(model, x_test, y_test)
    _report_calls(console, time.perf_counter() - started)
    _report_frame(console, storage, folder)
    storage.close()


def _explain_start(console: rich.console.Console, storage: Storage) -> None:
    """Say what is about to happen."""
    console.print(
        f"Two data sets, {len(_FOREST_SIZES)} random forests each, every call remembered in "
        f"[bold]{storage.url}[/bold]",
        highlight=False,
        soft_wrap=True,
    )


def _report_calls(console: rich.console.Console, seconds: float) -> None:
    """Say which ops ran, and which calls were answered from the store."""
    total = len(_SEEDS) * (1 + 2 * len(_FOREST_SIZES))
    computed = len(_executed)
    if computed == 0:
        console.print(
            f"[green]Nothing was computed[/green]: all {total} calls were found in the store "
            f"({seconds:.2f} s).",
            highlight=False,
            soft_wrap=True,
        )
    else:
        found = ", the others found in the store" if computed < total else ""
        console.print(
            f"[green]{computed} of {total} calls were computed[/green]{found} ({seconds:.2f} s). "
            "Run the same command again: it computes nothing.",
            highlight=False,
            soft_wrap=True,
        )


def _report_frame(console: rich.console.Console, storage: Storage, folder: Path) -> None:
    """Show the computation frame: its text, its table, its drawing, and what to try next."""
    frame = storage.cf(train_model).expand_all(with_inputs=True)
    assert frame is not None, "only an expansion in place returns nothing"
    console.print("\nWhat the store knows, as a computation frame:", highlight=False)
    console.print(repr(frame), highlight=False, markup=False, soft_wrap=True)
    columns = ["random_seed", "n_estimators", "train_accuracy", "test_accuracy", "model"]
    table = frame.df()[columns].sort_values(["random_seed", "n_estimators"], na_position="first")
    console.print("\nThe same as a table (each row is one way through the graph):", highlight=False)
    # Two lines a heading, so that a terminal of 80 columns has room for the models.
    headings = (column.replace("_", "\n", 1) for column in columns)
    shown = rich.table.Table(*headings, box=rich.box.SIMPLE_HEAD)
    for row in table.itertuples(index=False):
        *scalars, model = row
        shown.add_row(*(str(cell) for cell in scalars), type(model).__name__)
    console.print(shown)
    picture = folder / "frame.svg"
    frame.draw(verbose=True, path=picture)
    console.print(
        rich.panel.Panel.fit(
            f"store    {storage.url}\n"
            f"drawing  {picture}\n\n"
            "Try next, in Python:\n"
            "    from mandala_cas.imports import *\n"
            f"    storage = Storage({str(folder / 'store')!r})\n"
            "    frame = storage.cf('train_model').expand_all()\n"
            "    frame.df(lazy_vars=['x_train', 'y_train'])",
            title="Where things are",
        ),
        highlight=False,
    )
