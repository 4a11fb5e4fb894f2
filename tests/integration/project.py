"""A small project whose ops report what ran: started as a process by the tests.

    python project.py STORE COMMAND

Commands print one JSON object: which ops ran, and what came out.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from mandala_cas.imports import NewArgDefault, Storage, op

executed: list[str] = []


@op
def generate_dataset(random_seed: int = 42) -> Any:
    """Return four arrays."""
    executed.append("generate_dataset")
    x, y = load_digits(return_X_y=True)
    return tuple(train_test_split(x, y, test_size=0.2, random_state=random_seed))


@op
def train_model(x_train: Any, y_train: Any, n_estimators: Any = NewArgDefault(1)) -> Any:
    """Return a model and its accuracy."""
    executed.append("train_model")
    model = RandomForestClassifier(n_estimators=n_estimators, random_state=0)
    model.fit(x_train, y_train)
    return model, round(model.score(x_train, y_train), 2)


@op
def eval_model(model: Any, x_test: Any, y_test: Any) -> Any:
    """Return an accuracy."""
    executed.append("eval_model")
    return round(model.score(x_test, y_test), 2)


def run_pipeline(storage: Storage) -> list[float]:
    """Train and evaluate with three settings; return the accuracies."""
    accuracies = []
    with storage:
        x_train, x_test, y_train, y_test = generate_dataset()
        for n_estimators in (1, 5, 20):
            model, _ = train_model(x_train, y_train, n_estimators=n_estimators)
            accuracies.append(storage.unwrap(eval_model(model, x_test, y_test)))
    return accuracies


def main() -> None:
    """Run one command."""
    store, command = sys.argv[1:]
    options = json.loads(os.environ.get("STORAGE_OPTIONS", "null"))
    storage = Storage(store, storage_options=options)
    result: dict[str, Any] = {"accuracies": run_pipeline(storage)}
    if command == "table":
        frame = storage.cf(train_model).expand_all()
        table = frame.df()
        result["rows"] = len(table)
        result["models"] = sorted({type(model).__name__ for model in table["var_0"]})
    storage.close()
    sys.stdout.write(json.dumps({"executed": executed, **result}))


if __name__ == "__main__":
    main()
