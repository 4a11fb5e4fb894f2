"""What an error of a foreign library says: the codes of a server's answer, whether it will pass.

No class of theirs is imported: which of the libraries are installed depends on the user.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

# Too much was asked at once, or the server has lost its way for a moment.
_TEMPORARY_CODES: Final = frozenset(
    {
        "408",
        "429",
        "500",
        "502",
        "503",
        "504",
        "BandwidthLimitExceeded",
        "InternalError",
        # Of Azure: another writer of the same object came first, which threw our blocks away.
        "InvalidBlockList",
        "OperationTimedOut",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerBusy",
        "ServiceUnavailable",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)
# Connections that broke. One that nobody accepts is not among them: it has been tried by the
# library below, and whoever misspelt the address of a server wants to know.
_TEMPORARY_CLASSES: Final = frozenset(
    {
        "ChunkedEncodingError",
        "ClientPayloadError",
        "ConnectionAbortedError",
        "ConnectionClosedError",
        "ConnectionResetError",
        "BrokenPipeError",
        "IncompleteRead",
        "IncompleteReadError",
        "ReadTimeout",
        "ReadTimeoutError",
        "ResponseStreamingError",
        "ServerDisconnectedError",
        "ServiceResponseTimeoutError",
        "TimeoutError",
    }
)
# s3fs says EBUSY where S3 said SlowDown.
_TEMPORARY_ERRNOS: Final = frozenset({errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET})

# obstore has few classes and no codes: its text ends in how the request went.
_STATUS: Final = re.compile(r"returned non-2xx status code: (\d{3})")
_XML_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_PAST_END: Final = "Wanted range starting at"
_KIND: Final = re.compile(r"\bkind: (Timeout|Interrupted)\b")
# Without credentials it asks the machine it runs on, which is in no cloud.
_METADATA: Final = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")
# gcsfs keeps no code either, of an answer that denies or that does not understand.
_FORBIDDEN: Final = "Forbidden: "
_BAD_REQUEST: Final = "Bad Request: "


def codes_of(error: BaseException) -> frozenset[str]:
    """Return the codes of the answers that an error speaks of, as words and as numbers."""
    found: set[str] = set()
    for link in _chain(error):
        response = getattr(link, "response", None)
        if isinstance(response, Mapping):
            found.add(str(response.get("Error", {}).get("Code")))
            found.add(str(response.get("ResponseMetadata", {}).get("HTTPStatusCode")))
        for attribute in ("code", "status", "status_code", "error_code"):
            value = getattr(link, attribute, None)
            # Azure's are members of an enumeration, which say more of themselves than the code.
            plain = value.value if isinstance(value, Enum) else value
            if isinstance(plain, str | int):
                found.add(str(plain))
        found |= _codes_in(str(link))
    return frozenset(found)


def classes_of(error: BaseException) -> frozenset[str]:
    """Return the names of the classes of an error and of what it was raised from."""
    return frozenset(cls.__name__ for link in _chain(error) for cls in type(link).__mro__)


def is_temporary(error: BaseException) -> bool:
    """Tell whether the same request may succeed in a moment: throttled, timed out, cut off."""
    if codes_of(error) & _TEMPORARY_CODES or classes_of(error) & _TEMPORARY_CLASSES:
        return True
    return any(
        (isinstance(link, OSError) and link.errno in _TEMPORARY_ERRNOS)
        or (_is_of_obstore(link) and _KIND.search(str(link)) is not None)
        for link in _chain(error)
    )


def _codes_in(text: str) -> set[str]:
    """Return the codes that stand in the text of an error, where its library has them nowhere."""
    if text.startswith(_FORBIDDEN):
        return {"403"}
    if text.startswith(_BAD_REQUEST):
        return {"400"}
    if any(address in text for address in _METADATA):
        return {"401"}
    if _PAST_END in text:
        return {"416"}
    status = _STATUS.search(text)
    return {status[1], *_XML_CODE.findall(text, status.end())} if status else set()


def _is_of_obstore(error: BaseException) -> bool:
    """Tell whether obstore raised it."""
    return type(error).__module__.partition(".")[0] == "obstore"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        # botocore keeps what broke a connection among what its messages are made of.
        within = getattr(link, "kwargs", None)
        error_within = within.get("error") if isinstance(within, Mapping) else None
        link = error_within if isinstance(error_within, BaseException) else link.__cause__
