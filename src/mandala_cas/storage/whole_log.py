"""All that is known of the log: what is visible, and what this process has not published."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.log.columns import LENGTH_MAX
from mandala_cas.log.part import LogPart
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tombstone
from mandala_cas.values.recorder import Recorder


class WholeLog:
    """The parts of the log, the open batch among them."""

    def __init__(self, view: LogView, recorder: Recorder) -> None:
        """Join what ``view`` sees and what ``recorder`` holds."""
        self._view = view
        self._recorder = recorder
        # For how many parts it was found out whether one has tombstones.
        self._hiding = (0, False)

    def parts(self) -> list[LogPart]:
        """Return what is visible of the log, and the batch as one part more."""
        from mandala_cas.index.unpublished import open_segments  # noqa: PLC0415 (heavy)

        with self._recorder.lock:
            published = list(self._view.parts.values())
            pending = open_segments(self._recorder.unpublished())
        # Ctrl-C right after a publish can leave in the batch what is in the store already.
        return [*published, *(part for part in pending if not _is_known(part, published))]

    def hides_records(self) -> bool:
        """Tell whether the log has tombstones: then places on record may be gone."""
        parts = self._view.parts
        if len(parts) != self._hiding[0]:
            self._hiding = (len(parts), any(part.tombstones for part in parts.values()))
        return self._hiding[1]


def _is_known(part: Segment, published: Sequence[LogPart]) -> bool:
    """Tell whether calls of this segment are in one of the parts."""
    header = part.header
    everything = Tombstone(header.writer, header.seq, 0, LENGTH_MAX)
    return any(other.rows_named_by(everything) for other in published)
