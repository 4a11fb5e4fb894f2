"""``async def`` ops whose record may not answer."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.memo.fake_book import FakeBook

from mandala_cas.memo.op import op


def test_a_record_that_may_not_answer_is_no_record(entered: FakeBook) -> None:
    """Of other code, say: the first that awaits it runs, and what it gives is the answer."""

    @op(name="changing")
    async def before(x: int) -> int:
        return x

    @op(name="changing", on_stale="recompute")
    async def after(x: int) -> int:
        return x + 100

    async def main() -> list[Any]:
        await before(1)
        return [await after(1), await after(1)]

    first, second = asyncio.run(main())

    assert [entered.values[ref.content_id] for ref in (first, second)] == [101, 101]
