"""The calls of the tutorial, on record in a storage for tests."""

from __future__ import annotations

from tests.unit.frame.recorded_calls import RecordedCalls

from mandala_cas.model.refs import Ref


class Model:
    """Stands for a trained model."""

    def __init__(self, settings: str) -> None:
        """Remember how it was trained."""
        self.settings = settings

    def __repr__(self) -> str:
        """Return the settings."""
        return f"Model({self.settings})"


class Tutorial:
    """Makes the calls that the tutorial makes."""

    def __init__(self) -> None:
        """Generate the data set."""
        self.store = RecordedCalls()
        data = ["X_train", "X_test", "y_train", "y_test"]
        made = self.store.call("generate_dataset", {"random_seed": 42}, data)
        self.x_train, self.x_test, self.y_train, self.y_test = made

    def train(self, **settings: int) -> Ref:
        """Train a model; deeper ones are better."""
        accuracy = 0.91 if "max_depth" not in settings else 0.4 * settings["max_depth"]
        inputs = {"X_train": self.x_train, "y_train": self.y_train, **settings}
        return self.store.call("train_model", inputs, [Model(str(settings)), accuracy])[0]

    def evaluate(self, model: Ref) -> None:
        """Evaluate a model."""
        inputs = {"model": model, "X_test": self.x_test, "y_test": self.y_test}
        self.store.call("eval_model", inputs, [0.76])

    def train_three(self) -> None:
        """Train and evaluate without the new argument, then with it."""
        for settings in ({}, {"n_estimators": 10}, {"n_estimators": 100}):
            self.evaluate(self.train(**settings))

    def train_four_more(self) -> None:
        """Train with two new arguments, and evaluate nothing."""
        for n_estimators in (10, 100):
            for max_depth in (1, 2):
                self.train(n_estimators=n_estimators, max_depth=max_depth)
