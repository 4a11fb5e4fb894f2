"""The codec of models keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mandala_cas.codec.models import ModelCodec
from mandala_cas.testing.codecs import CodecSuite

X = np.random.default_rng(0).normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)
TABLE = pd.DataFrame(X, columns=list("abcd"))


class OwnEstimator(BaseEstimator):  # type: ignore[misc]  # (untyped)
    """A class of a user's."""


def double(x: Any) -> Any:
    """Return twice as much."""
    return 2 * x


class TestModels(CodecSuite):
    """scikit-learn through skops."""

    @pytest.fixture
    def codec(self) -> ModelCodec:
        """Return the codec."""
        return ModelCodec()

    @pytest.fixture
    def makers(self) -> Sequence[Callable[[], Any]]:
        """Return estimators, fitted and not, of several kinds, and pipelines of them."""
        return [
            LogisticRegression,
            lambda: LogisticRegression(C=0.5).fit(X, Y),
            lambda: Ridge().fit(TABLE, Y),
            lambda: make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(X, Y),
            lambda: ColumnTransformer([("a", StandardScaler(), ["a", "b"])]).fit(TABLE),
            lambda: SVC().fit(X, Y),
            lambda: KMeans(2, n_init=1, random_state=0).fit(X),
            lambda: OneHotEncoder().fit(np.array([["a"], ["b"]], object)),
            lambda: TfidfVectorizer().fit(["one two", "two three"]),
            lambda: FunctionTransformer(np.log1p),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return estimators that skops does not trust, or would change, and what is none."""
        return [
            DecisionTreeClassifier().fit(X, Y),
            RandomForestClassifier(2, random_state=0).fit(X, Y),
            FunctionTransformer(double),
            OwnEstimator(),
            make_pipeline(OwnEstimator()),
            [Ridge()],
            X,
        ]
