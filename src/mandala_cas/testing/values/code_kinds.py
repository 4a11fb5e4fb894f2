"""Kinds of values that are code, models or images."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from mandala_cas.testing.values import classes
from mandala_cas.testing.values.kinds import Kind, first_alike
from mandala_cas.testing.values.parts import Part, Parts
from mandala_cas.testing.values.slots import Choice, Elements, Integer

_FUNCTIONS: Final[Mapping[str, Any]] = {
    "doubled": classes.doubled,
    "tripled": classes.tripled,
    "len": len,
    "sorted": sorted,
    "sin": np.sin,
    "cos": np.cos,
    "int": int,
    "Plain": classes.Plain,
    "Point": classes.Point,
}
_FUNCTION: Final = Choice([*_FUNCTIONS])

CODE: Final[dict[str, Kind]] = {
    "function": Kind(lambda name: _FUNCTIONS[name], (_FUNCTION,), is_key=True),
    "closure": Kind(classes.adder, (Part(),), "closure"),
    "other closure": Kind(classes.subtracter, (Part(),), "closure"),
    "default": Kind(classes.scaler, (Part(),), "closure"),
    "partial": Kind(
        lambda name, first, more: functools.partial(_FUNCTIONS[name], *first, key=more),
        (_FUNCTION, Parts(0, 2), Part()),
    ),
    "method": Kind(lambda x, y: classes.Plain(x, y).shown, (Part(), Part())),
}


def _estimator(name: str, tenths: int) -> Any:
    """Return an estimator with one parameter."""
    from sklearn import cluster, decomposition, linear_model, tree  # noqa: PLC0415 (heavy)

    match name:
        case "Ridge":
            return linear_model.Ridge(alpha=tenths / 10)
        case "Lasso":
            return linear_model.Lasso(alpha=tenths / 10)
        case "logistic":
            return linear_model.LogisticRegression(C=tenths / 10, solver="liblinear")
        case "tree":
            return tree.DecisionTreeClassifier(max_depth=tenths, random_state=0)
        case "PCA":
            return decomposition.PCA(2, tol=tenths / 10)
        case _:
            return cluster.KMeans(2, n_init=1, max_iter=100 + tenths, random_state=0)


def _fitted(name: str, tenths: int, way: str, numbers: tuple[int, ...]) -> Any:
    """Return an estimator that was fitted to a few points, perhaps behind a scaler."""
    from sklearn import pipeline, preprocessing  # noqa: PLC0415 (heavy)

    made = _estimator(name, tenths)
    if way == "pipeline":
        made = pipeline.make_pipeline(preprocessing.StandardScaler(), made)
    points = np.array([[1, 5, 2], [7, 1, 0], [3, 3, 9], [8, 2, 4]], float)
    points += np.array(numbers, float)[:, None] / 16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made.fit(points, [0, 1, 0, 1])


def _fitted_tree(depth: int, numbers: tuple[int]) -> Any:
    """Return a decision tree, whose threshold lies halfway between two points."""
    return _estimator("tree", depth).fit([[0.0], [1 + numbers[0] / 16]], [0, 1])


_NAMES: Final = Choice(["Ridge", "Lasso", "logistic", "tree", "PCA", "KMeans"])
# Those in which every number of what they are fitted to leaves a trace.
_FITTED: Final = Choice(["Ridge", "logistic", "PCA", "KMeans"])

MODELS: Final[dict[str, Kind]] = {
    "estimator": Kind(_estimator, (_NAMES, Integer(1, 9))),
    "fitted estimator": Kind(
        _fitted, (_FITTED, Integer(1, 9), Choice(["alone", "pipeline"]), Elements(4))
    ),
    "fitted tree": Kind(_fitted_tree, (Integer(1, 9), Elements(1))),
}


def _model(kind: str) -> Callable[[Any, Any], Any]:
    """Return a function that makes a model of pydantic."""

    def make(x: Any, y: Any) -> Any:
        """Return a model of two fields, without looking at what they are."""
        from mandala_cas.testing.values import models  # noqa: PLC0415 (needs pydantic)

        return getattr(models, kind)(x=x, y=y)

    return make


def _opened(x: Any, extra: Any, hidden: Any) -> Any:
    """Return a model with something in each of its three places."""
    from mandala_cas.testing.values import models  # noqa: PLC0415 (needs pydantic)

    return models.opened(x, extra, hidden)


_PAIR: Final = (Part(), Part())

PYDANTIC: Final[dict[str, Kind]] = {
    "model": Kind(_model("Model"), _PAIR, "model"),
    "other model": Kind(_model("Twin"), _PAIR, "model"),
    "dataclass of pydantic": Kind(_model("Place"), _PAIR, "model"),
    "open model": Kind(_opened, (Part(), Part(), Part())),
}

_PIXELS: Final[Mapping[str, Callable[[int], Any]]] = {
    "1": lambda n: 255 * (n % 2),
    **{mode: lambda n: 40 * n for mode in ("L", "P", "I", "I;16")},
    "F": lambda n: n / 2,
    **{mode: lambda n: (40 * n, 7) for mode in ("LA", "La", "PA")},
    **{mode: lambda n: (n, 2 * n, 3) for mode in ("RGB", "YCbCr", "LAB", "HSV")},
    **{mode: lambda n: (n, 2 * n, 3, 255 - n) for mode in ("RGBA", "RGBX", "CMYK", "RGBa")},
}
_INFO: Final[Mapping[str, dict[str, Any]]] = {
    "": {},
    "72": {"dpi": (72, 72)},
    "96": {"dpi": (96, 96)},
    "text": {"dpi": "72"},
}


def _image(mode: str, size: tuple[int, int], numbers: tuple[int, ...], info: str) -> Any:
    """Return an image of six pixels."""
    from PIL import Image  # noqa: PLC0415 (heavy)

    made = Image.new(mode, size)
    if mode in {"P", "PA"}:
        made.putpalette([255 - level for level in range(256) for _ in "rgb"])
    for place, number in enumerate(numbers):
        made.putpixel((place % size[0], place // size[0]), _PIXELS[mode](number))
    made.info = dict(_INFO[info])
    return made


IMAGES: Final[dict[str, Kind]] = {
    "image": Kind(
        _image,
        (
            Choice([*_PIXELS]),
            Choice([(6, 1), (1, 6), (2, 3), (3, 2)]),
            Elements(6),
            Choice([*_INFO]),
        ),
        normal=lambda mode, size, numbers, info: (
            *(mode, size, first_alike([_PIXELS[mode](n) for n in range(6)], numbers), info),
        ),
    ),
}
