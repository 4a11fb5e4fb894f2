"""Frames from whatever a user may have at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.frame.computation_frame import ComputationFrame
from mandala_cas.frame.source import FrameSource
from mandala_cas.model.calls import Call
from mandala_cas.model.refs import Ref


def frame_of(source: FrameSource, what: Any) -> ComputationFrame:
    """Return the frame of a ref, a call, history ids, several of one kind, or names to refs.

    Raises:
        UsageError: nothing of these.
        NotFoundError: it is not on record.
    """
    if isinstance(what, Mapping):
        return ComputationFrame.from_vars(source, what)
    if isinstance(what, (Ref, Call, bytes, str)):
        what = [what]
    if not isinstance(what, Iterable):
        raise UsageError(
            f"cannot make a computation frame from a {type(what).__name__}; give an op, refs, "
            "calls, history ids, or a dict from names to refs",
            found=what,
        )
    things = list(what)
    if things and all(isinstance(thing, Call) for thing in things):
        return ComputationFrame.from_calls(source, things)
    return ComputationFrame.from_refs(source, things)
