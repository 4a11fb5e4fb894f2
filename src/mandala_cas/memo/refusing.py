"""What a call is told that is not on record where new calls are not allowed."""

from __future__ import annotations

import reprlib

from mandala_cas.errors import NewCallsNotAllowedError
from mandala_cas.memo.request import Request


def check_new_call(request: Request) -> None:
    """Refuse a call that is not on record, where only those that are may be asked for.

    Raises:
        NewCallsNotAllowedError: new calls are not allowed, in this block or in this storage.
    """
    session = request.session
    if session.allows_new and session.book.allows_new_calls:
        return
    definition = request.definition
    arguments = ", ".join(f"{name}={reprlib.repr(value)}" for name, value in request.arguments)
    # The message is the one that mandala's users look for; what else there is to say is a note.
    error = NewCallsNotAllowedError(
        f"Call to {definition.name} does not exist and new calls are not allowed.",
        op=definition.name,
        hid=request.call_id.hex(),
        arguments=arguments,
    )
    error.add_note(
        f"asked for was {definition.name}({arguments}); make the call where new calls are "
        "allowed (storage.allow_new_calls(True)), or ask first with "
        f"{definition.name}.is_cached(...)"
    )
    raise error
