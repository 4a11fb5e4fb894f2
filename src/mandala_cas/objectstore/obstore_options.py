"""Storage options in fsspec's words, translated into those of obstore.

An option that has no translation is an error: one that was left out without a word might be the
one that said whose data this is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mandala_cas.errors import UsageError

# Options of fsspec itself, which say how to remember listings and instances: obstore does neither.
_OF_FSSPEC: Final = frozenset(
    {"use_listings_cache", "listings_expiry_time", "max_paths", "skip_instance_cache"}
)

_S3: Final[Mapping[str, str]] = {
    "key": "access_key_id",
    "username": "access_key_id",
    "secret": "secret_access_key",
    "password": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "anon": "skip_signature",
}
_S3_CLIENT: Final[Mapping[str, str]] = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "endpoint_url": "endpoint",
    "region_name": "region",
}
_AZURE: Final[Mapping[str, str]] = {
    "account_name": "account_name",
    "account_key": "account_key",
    "sas_token": "sas_key",
    "client_id": "client_id",
    "client_secret": "client_secret",
    "tenant_id": "tenant_id",
    "anon": "skip_signature",
}
_AZURE_CONNECTION: Final[Mapping[str, str]] = {
    "accountname": "account_name",
    "accountkey": "account_key",
    "sharedaccesssignature": "sas_key",
    "blobendpoint": "endpoint",
}
_GCS: Final[Mapping[str, str]] = {"endpoint_url": "base_url"}


@dataclass(slots=True)
class ObstoreOptions:
    """What a store of obstore is made with: its own configuration, and that of its client."""

    config: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)


def translate_options(protocol: str, options: Mapping[str, Any]) -> ObstoreOptions:
    """Return ``options`` in obstore's words; ``protocol`` is ``s3``, ``gs`` or ``az``.

    Raises:
        UsageError: one of them has no translation, with a detail ``option``.
    """
    made = ObstoreOptions()
    for option, value in options.items():
        if value is None or option in _OF_FSSPEC:
            continue
        _TRANSLATORS[protocol](made, option, value)
    return made


def _translate_s3(made: ObstoreOptions, option: str, value: Any) -> None:
    """Translate an option of s3fs."""
    if option == "client_kwargs" and isinstance(value, Mapping):
        for inner, setting in value.items():
            if inner == "verify" and isinstance(setting, bool):
                made.client["allow_invalid_certificates"] = not setting
            elif setting is not None:
                made.config[_known(_S3_CLIENT, inner, f"client_kwargs[{inner!r}]")] = setting
    elif option == "use_ssl" and value is True:
        pass  # What obstore does anyway.
    else:
        made.config[_known(_S3, option)] = value


def _translate_azure(made: ObstoreOptions, option: str, value: Any) -> None:
    """Translate an option of adlfs."""
    if option == "connection_string" and isinstance(value, str):
        for part in filter(None, value.split(";")):
            key, _, setting = part.partition("=")
            lowered = key.strip().lower()
            if lowered in {"defaultendpointsprotocol", "endpointsuffix"}:
                _check_usual_endpoint(lowered, setting)
            elif lowered not in {"queueendpoint", "tableendpoint", "fileendpoint"}:
                shown = f"connection_string[{key.strip()!r}]"
                made.config[_known(_AZURE_CONNECTION, lowered, shown)] = setting
    elif option == "account_host" and isinstance(value, str):
        made.config["endpoint"] = f"https://{value}"
    elif option == "anon" and value is False:
        pass  # adlfs looks for credentials then, as obstore always does.
    else:
        made.config[_known(_AZURE, option)] = value


def _translate_gcs(made: ObstoreOptions, option: str, value: Any) -> None:
    """Translate an option of gcsfs."""
    if option == "project":
        return  # Used to make and list buckets only, which no store does.
    if option == "token":
        if value == "anon":
            made.config["skip_signature"] = True
        elif isinstance(value, str) and os.path.isabs(value):  # noqa: PTH117 (may be no path at all)
            made.config["application_credentials"] = value
        elif isinstance(value, Mapping):
            import json  # noqa: PLC0415 (rarely needed)

            made.config["service_account_key"] = json.dumps(dict(value))
        elif value != "google_default":
            raise _untranslatable("token", "give 'anon', an absolute path, or a service account")
        return
    made.config[_known(_GCS, option)] = value


_TRANSLATORS: Final[Mapping[str, Callable[[ObstoreOptions, str, Any], None]]] = {
    "s3": _translate_s3,
    "az": _translate_azure,
    "gs": _translate_gcs,
}


def _known(words: Mapping[str, str], option: str, shown: str | None = None) -> str:
    """Return the translation of an option."""
    try:
        return words[option]
    except KeyError:
        raise _untranslatable(
            shown or option, f"leave it out, or use one of {sorted(words)}"
        ) from None


def _check_usual_endpoint(part: str, setting: str) -> None:
    """Refuse parts of a connection string that lead elsewhere than obstore would go."""
    usual = {"defaultendpointsprotocol": {"http", "https"}, "endpointsuffix": {"core.windows.net"}}
    if setting not in usual[part]:
        raise _untranslatable(f"connection_string[{part!r}]", "name a BlobEndpoint instead")


def _untranslatable(option: str, advice: str) -> UsageError:
    """Return the error for an option that obstore has no word for."""
    return UsageError(
        f"storage option {option} cannot be handed to the engine obstore; {advice}, or open the "
        "store with engine='fsspec'",
        option=option,
    )
