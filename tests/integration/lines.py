"""The line between this process and a server, which a test may cut."""

from __future__ import annotations

from typing import Any, Literal

import aiohttp
import pytest

Loss = Literal["request", "answer"]


class Line:
    """Sees every request of this process, and loses some: on the way there, or the answer to it.

    Requests are counted from zero. What a process that died at one of them would have sent after it
    is lost with ``for_good``.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Listen, from now until ``patch`` is undone."""
        self.methods: list[str] = []
        self._cut_at: int | None = None
        self._loss: Loss = "request"
        self._for_good = False
        send = aiohttp.ClientSession._request

        async def sent(session: Any, method: str, url: Any, **options: Any) -> Any:
            number = len(self.methods)
            self.methods.append(method)
            if not self._is_lost(number):
                return await send(session, method, url, **options)
            if self._loss == "answer" and number == self._cut_at:
                answer = await send(session, method, url, **options)
                await answer.read()
            raise OSError("cut off")

        patch.setattr(aiohttp.ClientSession, "_request", sent)

    def cut(self, at: int, loss: Loss = "request", *, for_good: bool = False) -> None:
        """Forget what was sent so far, and lose a request that is still to come."""
        self.methods.clear()
        self._cut_at, self._loss, self._for_good = at, loss, for_good

    def mend(self) -> None:
        """Lose nothing any more."""
        self._cut_at = None

    def _is_lost(self, number: int) -> bool:
        """Tell whether a request, or the answer to it, does not arrive."""
        if self._cut_at is None:
            return False
        return number >= self._cut_at if self._for_good else number == self._cut_at
