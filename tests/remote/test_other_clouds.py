"""The same promises on Azure and GCS, as far as their emulators keep them."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from podium.errors import KeyMissing, StoreError
from podium.stores import Key, Store
from podium.stores.remote import RemoteStore
from podium.testing import StoreTests
from tests.remote.proxy import Proxy
from tests.remote.servers import BUCKET, azurite, gcs_emulator

# Azure's and Google's clients send bytes as they are; what aiohttp says of that concerns nobody here.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

_numbers = itertools.count()
# The account every Azurite has; Microsoft publishes its key.
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def _open(url: str, options: dict[str, Any]) -> RemoteStore:
    return RemoteStore(url, **options)


class _Elsewhere(StoreTests):
    def reopen(self, store: Store) -> Callable[[], Store] | None:
        assert isinstance(store, RemoteStore)
        return functools.partial(_open, *store.__reduce__()[1])  # type: ignore[misc]  # url and options


@pytest.fixture(scope="session")
def azure_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    adlfs = pytest.importorskip("adlfs")
    folder = tmp_path_factory.mktemp("azurite")
    process = azurite(folder)
    if process is None:
        pytest.skip("Azurite is not installed (npm install -g azurite)")
    try:
        endpoint = f"http://127.0.0.1:{(folder / 'port').read_text()}/devstoreaccount1"
        account = f"AccountName=devstoreaccount1;AccountKey={_AZURITE_KEY}"
        options = {
            "connection_string": f"DefaultEndpointsProtocol=http;{account};BlobEndpoint={endpoint};",
        }
        adlfs.AzureBlobFileSystem(**options, skip_instance_cache=True).mkdir(BUCKET)
        yield options
    finally:
        process.kill()
        process.wait()


class TestOnAzurite(_Elsewhere):
    @pytest.fixture
    def store(self, azure_options: dict[str, Any]) -> Store:
        return RemoteStore(f"az://{BUCKET}/team-{next(_numbers)}", **azure_options)

    def raw(self, store: Store, key: Key) -> bytes | None:
        from azure.storage.blob import BlobServiceClient

        assert isinstance(store, RemoteStore)
        connection = store.__reduce__()[1][1]["connection_string"]  # type: ignore[index]  # options
        container, _, prefix = store.root.removeprefix("az://").partition("/")
        with BlobServiceClient.from_connection_string(connection) as service:
            blob = service.get_blob_client(container, f"{prefix}/{key}")
            return bytes(blob.download_blob().readall()) if blob.exists() else None


@pytest.fixture(scope="session")
def gcs_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would look for Google by gRPC
    pytest.importorskip("gcsfs")
    folder = tmp_path_factory.mktemp("gcs")
    process = gcs_emulator(folder)
    if process is None:
        pytest.skip("gcp-storage-emulator is not installed")
    try:
        yield int((folder / "port").read_text())
    finally:
        process.kill()
        process.wait()


def _on_gcs(port: int) -> RemoteStore:
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "token": "anon"}
    return RemoteStore(f"gs://{BUCKET}/team-{next(_numbers)}", **options)


def test_values_on_gcs_are_put_listed_and_deleted(gcs_port: int, tmp_path: Path) -> None:
    store, key = _on_gcs(gcs_port), Key.parse("f/a")
    (tmp_path / "file").write_bytes(bytes(100_000))

    store.put(key, b"0123456789")
    store.put(Key.parse("f/b"), tmp_path / "file")
    store.download(Key.parse("f/b"), tmp_path / "copy")

    assert (store.get(key), store.get(key, 4), store.get(key, 10)) == (b"0123456789", b"456789", b"")
    assert {str(each.key): each.size for each in store.list(Key.root())} == {"f/a": 10, "f/b": 100_000}
    assert (tmp_path / "copy").read_bytes() == bytes(100_000)
    store.delete(key)
    store.delete(key)
    with pytest.raises(KeyMissing):
        store.get(key)


def test_a_create_on_gcs_carries_its_condition_and_an_emulator_that_ignores_it_is_found_out(
    gcs_port: int,
) -> None:
    with Proxy(gcs_port).running() as proxy:
        store = _on_gcs(proxy.port)
        with pytest.raises(StoreError, match="accepts the condition"):
            store.create(Key.parse("a"), b"x")

    written = [each.path for each in proxy.requests if each.method == "POST"]
    assert len(written) == 24
    assert all("ifGenerationMatch=0" in path for path in written)
