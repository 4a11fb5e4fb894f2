"""Models of pydantic whose instances are values of the test kit."""

from __future__ import annotations

from typing import Any

import pydantic
import pydantic.dataclasses


class Model(pydantic.BaseModel):
    """A model."""

    x: Any
    y: Any = None


class Twin(pydantic.BaseModel):
    """Another one, of the same fields."""

    x: Any
    y: Any = None


class Open(pydantic.BaseModel, extra="allow"):
    """A model that takes more than it declares, and keeps something to itself."""

    x: Any
    _hidden: Any = pydantic.PrivateAttr(default=None)

    def hide(self, hidden: Any) -> None:
        """Keep something."""
        self._hidden = hidden


@pydantic.dataclasses.dataclass
class Place:
    """A dataclass of pydantic."""

    x: Any
    y: Any = None


def opened(x: Any, extra: Any, hidden: Any) -> Open:
    """Return a model with something in each of its three places."""
    made = Open.model_validate({"x": x, "more": extra})
    made.hide(hidden)
    return made
