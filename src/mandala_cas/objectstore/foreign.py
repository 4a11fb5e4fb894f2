"""The border where errors of engines and of cloud libraries become errors of ours.

No class of theirs is imported: which of the libraries are installed depends on the user. What
tells errors apart is the builtin they derive from, the code of the answer, and the names of a few
classes that derive from nothing useful.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from mandala_cas.errors import MandalaError, NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.answers import classes_of, codes_of, is_temporary

_NO_BUCKET_CODES: Final = frozenset(
    {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "AccountNotFound"}
)
_DENIED_CODES: Final = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "AuthenticationFailed",
        "AuthorizationFailure",
        "AuthorizationHeaderMalformed",
        "Forbidden",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "Unauthorized",
    }
)
_EXPIRED_CODES: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_EXPIRED_CLASSES: Final = frozenset(
    {"RefreshError", "SSOTokenLoadError", "UnauthorizedSSOTokenError"}
)
_DENIED_CLASSES: Final = frozenset(
    {
        "ClientAuthenticationError",
        "CredentialRetrievalError",
        "DefaultCredentialsError",
        "InvalidConfigError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "PermissionDeniedError",
        "ProfileNotFound",
        "SSOError",
        "TokenRetrievalError",
        "UnauthenticatedError",
    }
)
_REFUSED_CODES: Final = frozenset(
    {"InvalidBucketName", "InvalidURI", "KeyTooLongError", "PermanentRedirect", "301"}
)
_REFUSED_CLASSES: Final = frozenset(
    {
        "InvalidEndpointDiscoveryConfigurationError",
        "NotSupportedError",
        "ParamValidationError",
        "UnknownRegionError",
    }
)
_PAST_END_CODES: Final = frozenset({"InvalidRange", "416"})

# What stands before the @ of a URL, and after its question mark, may be a password or a signature.
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
_QUERY: Final = re.compile(r"(://[^\s?'\"]*)\?[^\s'\"]*")
_SECRET_OPTION: Final = re.compile(
    r"secret|key|token|passw|credential|connection_string|sas|auth", re.IGNORECASE
)
_REASON_LENGTH_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Border:
    """Knows what to call a store in messages, and what never to repeat in one."""

    url: str
    bucket: str
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @contextmanager
    def crossing(self, doing: str, name: str) -> Iterator[None]:
        """Translate what an engine raises; our own mistakes pass as they are."""
        try:
            yield
        except MandalaError:
            raise
        except Exception as error:
            translated = self.translate(error, doing, name)
            if translated is error:
                raise
            raise translated from error

    @contextmanager
    def crossing_to_bucket(self, doing: str, name: str) -> Iterator[None]:
        """Translate what a put or a listing raises: what it does not find is the bucket."""
        try:
            with self.crossing(doing, name):
                yield
        except NotFoundError as error:
            failed = f"cannot {doing} {name or 'objects'} in {self.url}"
            if isinstance(error.__cause__, FileNotFoundError):
                raise self.no_bucket(failed, name) from error.__cause__
            raise UsageError(
                f"{failed}: a file is where a directory should be, or the other way round; "
                "something other than a store is in the way there",
                name=name,
            ) from error.__cause__

    def translate(self, error: Exception, doing: str, name: str) -> Exception:
        """Return the error of ours for ``error``, or ``error`` itself if it is nobody's answer.

        A ``StoreUnavailableError`` has a detail ``temporary``: whether the same request may
        succeed in a moment.
        """
        codes, classes = codes_of(error), classes_of(error)
        failed = f"cannot {doing} {name or 'objects'} in {self.url}"
        if codes & _NO_BUCKET_CODES:
            return self.no_bucket(failed, name)
        if codes & _EXPIRED_CODES or classes & _EXPIRED_CLASSES:
            return UsageError(
                f"{failed}: the credentials have expired ({self._reason(error)}); renew them, as "
                "with `aws sso login` or `gcloud auth login`, then run this again",
                name=name,
                bucket=self.bucket,
            )
        if isinstance(error, PermissionError) or codes & _DENIED_CODES or classes & _DENIED_CLASSES:
            return UsageError(
                f"{failed}: access denied ({self._reason(error)}); check that credentials are "
                f"set and have not expired, and that they may list, read, write and delete in "
                f"{self.bucket}",
                name=name,
                bucket=self.bucket,
            )
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            return self.not_found(name)
        refused = codes & _REFUSED_CODES or classes & _REFUSED_CLASSES
        if refused or isinstance(error, NotImplementedError):
            return UsageError(
                f"{failed}: the request was refused ({self._reason(error)}); check the URL and "
                "the storage options",
                name=name,
                bucket=self.bucket,
            )
        if isinstance(error, OSError | TimeoutError) or _is_foreign(error) or "400" in codes:
            return StoreUnavailableError(
                f"{failed}: it does not answer as it should ({self._reason(error)}); nothing was "
                "lost, try again later",
                name=name,
                bucket=self.bucket,
                temporary=is_temporary(error),
            )
        return error

    def not_found(self, name: str) -> NotFoundError:
        """Return the error for an object that is not there."""
        return NotFoundError(
            f"no object {name} in {self.url}; fetch it from where it was made", name=name
        )

    def no_bucket(self, failed: str, name: str) -> UsageError:
        """Return the error for a bucket that is not there."""
        return UsageError(
            f"{failed}: there is no bucket {self.bucket}; create it, or check the spelling and "
            "the account",
            name=name,
            bucket=self.bucket,
        )

    def _reason(self, error: BaseException) -> str:
        """Return what a foreign error says, without what nobody should read."""
        text = " ".join(str(error).split()) or type(error).__name__
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return without_secrets(text)[:_REASON_LENGTH_MAX]


def is_past_end(error: Exception) -> bool:
    """Tell whether a server says that a range begins where the object has ended."""
    return bool(codes_of(error) & _PAST_END_CODES)


def may_be_past_end(error: Exception) -> bool:
    """Tell whether ``error`` may mean that a range begins past the end; the size tells for sure."""
    return isinstance(error, OSError) and error.errno == errno.EINVAL


def without_secrets(url: str) -> str:
    """Return a URL, or a text with some, without passwords and query strings."""
    return _QUERY.sub(r"\1", _USER_INFO.sub("", url))


def secrets_of(options: Mapping[str, Any]) -> frozenset[str]:
    """Return the values among storage options that must not appear in a message."""
    found: set[str] = set()
    for option, value in options.items():
        if isinstance(value, Mapping):
            found |= secrets_of(value)
        # Shorter than that, a replacement would only garble the message.
        elif isinstance(value, str) and len(value) >= 4 and _SECRET_OPTION.search(option):
            found.add(value)
    return frozenset(found)


def _is_foreign(error: BaseException) -> bool:
    """Tell whether an error is of a class that neither Python nor we define."""
    return type(error).__module__.partition(".")[0] not in {"builtins", "mandala_cas"}
