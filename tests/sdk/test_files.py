"""Files go to the server as they are read, and are waited for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from multiturn_client import Multiturn, NotFoundError, RequestTimeout
from tests.sdk.answering import Client, fail, tell
from tests.sdk.serving import Served

MADE = {"id": "a", "status": "processing"}


def test_file_is_sent_as_a_form() -> None:
    client = Client(tell(201, MADE))
    asset = client.assets.create(io.BytesIO(b"Bees dance."), filename="bees.txt", metadata={"year": 2026}, purpose="x")
    assert (asset.id, asset.status, client.asked) == ("a", "processing", ["POST /v1/assets"])
    body = client.server.requests[0].content
    for part in (b'filename="bees.txt"', b"Bees dance.", b'{"year": 2026}', b'name="purpose"'):
        assert part in body


def test_file_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "Straße.txt"
    path.write_bytes(b"Bees dance.")
    client = Client(tell(201, MADE), tell(201, MADE), tell(201, MADE))
    client.assets.create(path)
    client.assets.create(str(path), filename="bees.txt")
    with path.open("rb") as file:
        client.assets.create(file)
        assert not file.closed
    names = [request.content.split(b"filename=")[1].split(b"\r\n")[0] for request in client.server.requests]
    assert names[1] == b'"bees.txt"'
    assert names[0] == names[2]


def test_url_is_sent_as_json() -> None:
    client = Client(tell(201, MADE))
    client.assets.create(url="https://media.example/trams.mp4", metadata={"city": "Lisbon"})
    assert client.sent() == {"url": "https://media.example/trams.mp4", "metadata": {"city": "Lisbon"}}


@pytest.mark.parametrize("given", [{}, {"file": b"x"}, {"file": b"x", "url": "https://media.example/x"}])
def test_file_without_a_name_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Client().assets.create(**given)


def test_file_is_sent_whole_again() -> None:
    client = Client(fail(503), tell(201, MADE))
    client.assets.create(io.BytesIO(b"Bees dance."), filename="bees.txt")
    first, second = (request.content for request in client.server.requests)
    assert b"Bees dance." in first
    assert b"Bees dance." in second


def test_waiting_ends_with_a_status_or_in_time() -> None:
    at_work, failed = {"id": "i", "status": "processing", "progress": 40}, {"id": "i", "status": "failed"}
    client = Client(tell(200, at_work), tell(200, failed))
    assert client.stores.items.wait("s", "i").status == "failed"
    assert client.pauses == [0.5]
    with pytest.raises(RequestTimeout, match="40 %"):
        Client(tell(200, at_work)).stores.items.wait("s", "i", timeout_s=-1)


def test_documents_are_asked_over_the_real_server(served: Served) -> None:
    key, _ = served.enter_tenant()
    with Multiturn(key, base_url=served.url, max_retries=0) as client:
        store = client.stores.create("insects")
        for number in range(3):
            asset = client.assets.create(f"Bees dance {number}.".encode(), filename=f"{number}.txt")
            client.stores.items.add(store.id, client.assets.wait(asset.id).id, metadata={"n": number})
        for item in client.stores.items.list(store.id, limit=2):
            assert client.stores.items.wait(store.id, item.id, timeout_s=60).status == "ready"
        hits = client.stores.search("insects", "dance", metadata_filter={"n": 1})
        assert [(hit.title, hit.metadata) for hit in hits] == [("1.txt", {"n": 1})]
        assert client.stores.get("insects").items.ready == 3
        assert client.assets.delete(hits[0].asset_id, force=True).deleted
        assert client.stores.get("insects").items.total == 2
        with pytest.raises(NotFoundError):
            client.stores.items.get(store.id, hits[0].item_id)
