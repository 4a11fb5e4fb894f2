"""Storage options in fsspec's words, as obstore understands them."""

from __future__ import annotations

from typing import Any

import pytest

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.obstore_options import translate_options
from mandala_cas.objectstore.remote import RemoteObjectStore


@pytest.mark.parametrize(
    ("protocol", "options", "config", "client"),
    [
        pytest.param("s3", {}, {}, {}, id="nothing"),
        pytest.param(
            "s3",
            {"key": "K", "secret": "S", "token": "T", "endpoint_url": "https://s3.example"},
            {
                "access_key_id": "K",
                "secret_access_key": "S",
                "session_token": "T",
                "endpoint": "https://s3.example",
            },
            {},
            id="s3",
        ),
        pytest.param(
            "s3",
            {"client_kwargs": {"region_name": "eu-west-1", "endpoint_url": "http://host:1"}},
            {"region": "eu-west-1", "endpoint": "http://host:1"},
            {},
            id="s3 by client_kwargs",
        ),
        pytest.param(
            "s3",
            {"anon": True, "key": None, "client_kwargs": {"verify": False}, "use_ssl": True},
            {"skip_signature": True},
            {"allow_invalid_certificates": True},
            id="s3 anonymous",
        ),
        pytest.param("s3", {"use_listings_cache": True}, {}, {}, id="what only fsspec needs"),
        pytest.param(
            "az",
            {"account_name": "N", "account_key": "K", "anon": False},
            {"account_name": "N", "account_key": "K"},
            {},
            id="az",
        ),
        pytest.param(
            "az",
            {
                "connection_string": "DefaultEndpointsProtocol=http;AccountName=N;AccountKey=K==;"
                "BlobEndpoint=http://127.0.0.1:1/N;QueueEndpoint=http://127.0.0.1:2/N;"
            },
            {"account_name": "N", "account_key": "K==", "endpoint": "http://127.0.0.1:1/N"},
            {},
            id="az by connection string",
        ),
        pytest.param(
            "az",
            {"account_host": "N.blob.example", "sas_token": "sig", "tenant_id": "t"},
            {"endpoint": "https://N.blob.example", "sas_key": "sig", "tenant_id": "t"},
            {},
            id="az elsewhere",
        ),
        pytest.param(
            "gs",
            {"token": "anon", "project": "p", "endpoint_url": "http://127.0.0.1:1"},
            {"skip_signature": True, "base_url": "http://127.0.0.1:1"},
            {},
            id="gs",
        ),
        pytest.param(
            "gs", {"token": "/k.json"}, {"application_credentials": "/k.json"}, {}, id="gs by file"
        ),
        pytest.param(
            "gs",
            {"token": {"type": "service_account"}},
            {"service_account_key": '{"type": "service_account"}'},
            {},
            id="gs by account",
        ),
        pytest.param("gs", {"token": "google_default"}, {}, {}, id="gs by default"),
    ],
)
def test_an_option_has_the_same_meaning_to_both_engines(
    protocol: str, options: dict[str, Any], config: dict[str, Any], client: dict[str, Any]
) -> None:
    """A user changes the engine, and nothing else."""
    made = translate_options(protocol, options)

    assert (made.config, made.client) == (config, client)


@pytest.mark.parametrize(
    ("protocol", "options", "named"),
    [
        ("s3", {"profile": "work"}, "profile"),
        ("s3", {"config_kwargs": {"proxies": {}}}, "config_kwargs"),
        ("s3", {"use_ssl": False}, "use_ssl"),
        ("s3", {"client_kwargs": {"api_version": "1"}}, "client_kwargs['api_version']"),
        ("s3", {"client_kwargs": {"verify": "/ca.pem"}}, "client_kwargs['verify']"),
        ("s3", {"client_kwargs": 5}, "client_kwargs"),
        ("az", {"credential": "DefaultAzureCredential"}, "credential"),
        ("az", {"connection_string": "Odd=1"}, "connection_string['Odd']"),
        (
            "az",
            {"connection_string": "EndpointSuffix=core.chinacloudapi.cn"},
            "connection_string['endpointsuffix']",
        ),
        ("gs", {"token": "browser"}, "token"),
        ("gs", {"requester_pays": True}, "requester_pays"),
    ],
)
def test_an_option_without_a_translation_is_named(
    protocol: str, options: dict[str, Any], named: str
) -> None:
    """Ignoring it might read or write what belongs to somebody else."""
    with pytest.raises(UsageError, match=r"cannot be handed to the engine obstore") as caught:
        translate_options(protocol, options)

    assert caught.value.option == named


def test_a_value_that_obstore_refuses_is_the_users_to_mend() -> None:
    """And no part of it stands in the message."""
    with pytest.raises(UsageError, match="cannot open az://container") as caught:
        RemoteObjectStore.with_obstore(
            "az://container", {"account_name": "n", "account_key": "no-base64!"}
        )

    assert "no-base64" not in str(caught.value)


def test_an_account_in_an_azure_url_is_found() -> None:
    """As adlfs finds it."""
    store = RemoteObjectStore.with_obstore(
        "abfss://container@account.dfs.core.windows.net/team", {"account_key": "aaaa"}
    )

    assert store.url == "abfss://container@account.dfs.core.windows.net/team"
    assert store._tree._opened.config["account_name"] == "account"  # type: ignore[attr-defined] # obstore's tree
    assert store._tree._opened.config["container_name"] == "container"  # type: ignore[attr-defined] # obstore's tree
