"""The code of the page on Julep's sessions runs with only its import lines changed, and its answers come true."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import redirect_stdout
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from multiturn_client import SessionNotFoundError
from multiturn_client.julep import Client
from tests.e2e.mock import mock_upstream
from tests.e2e.serving import Serving, serving
from tests.sdk import reference_003 as page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A server in a process of its own, before a model that always answers."""
    place = tmp_path_factory.mktemp("server")
    async with (
        mock_upstream(tokens=4) as upstream_url,
        serving(place, upstream_url=upstream_url, model="mock", embedding_model="none") as server,
    ):
        yield server


class Reader:
    """Somebody who runs the page from its top, with an agent and a user at hand."""

    def __init__(self, server: Serving) -> None:
        self.client = Client(server.key, base_url=server.url)
        agent = self.client.agents.create("Researcher", instructions="Be brief.")
        user = self.client.users.create(name="Ada")
        self.names: dict[str, Any] = {"client": self.client, "agent": agent, "user": user, "datetime": datetime}

    def run(self, code: str) -> str:
        """Run a part of the page; what it prints."""
        said = io.StringIO()
        with redirect_stdout(said):
            exec(code, self.names)
        return said.getvalue()

    def __getattr__(self, name: str) -> Any:
        return self.names[name]


def read_page(server: Serving) -> None:
    """Run the page, and look after each part whether it did what it says."""
    reader = Reader(server)
    with reader.client:
        read_conversation(reader)
        read_documents(reader)
        read_end(reader)


def read_conversation(reader: Reader) -> None:
    reader.run(page.CREATING)
    session = reader.session
    assert (session.agent_id, session.user_id) == (reader.agent.id, reader.user.id)
    assert session.context_overflow == "adaptive"
    reader.run(page.CHATTING)
    assert reader.response.choices[0].message.content
    reader.run(page.CONTEXT.partition("# Update session context")[0])
    assert [item.role for item in reader.history][-4:] == ["user", "assistant", "user", "assistant"]
    assert len(reader.history) == 6
    reader.run("# Update" + page.CONTEXT.partition("# Update")[2])
    assert reader.session.metadata == {"channel": "web", "language": "english", "topic": "quantum computing"}
    assert len(session.history()) == 0


def read_documents(reader: Reader) -> None:
    added, is_deleting, deletion = page.DOCUMENTS.partition("# Delete a session document")
    reader.run(added)
    assert [(hit.title, hit.document_id) for hit in reader.results] == [("Research Notes", reader.doc.id)]
    assert "quantum" in reader.results[0].text
    reader.run(is_deleting + deletion)
    assert list(reader.session.docs.list()) == []


def read_end(reader: Reader) -> None:
    session = reader.session
    reader.run(page.MANAGING)
    assert [one.id for one in reader.sessions] == [session.id]
    with pytest.raises(SessionNotFoundError):
        session.refresh()
    assert reader.run(page.ERRORS) == "Session not found\n"
    reader.run(page.OVERFLOW)
    made = [one.context_overflow for one in reader.client.sessions.list(agent_id=reader.agent.id)]
    assert made == ["summarize", "truncate", "adaptive"]


async def test_page_comes_true(server: Serving) -> None:
    await asyncio.to_thread(read_page, server)
