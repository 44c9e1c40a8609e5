"""Documents of one tenant on a database, an embedder that is told what to do, and owners that exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from multiturn.engine.embedders import Embedders
from multiturn.engine.knowledge import Knowledge
from multiturn.model.agent import Agent, AgentBody
from multiturn.model.ids import new_id
from multiturn.model.knowledge import DocumentHits, KnowledgeItem, Owner, SearchOrder
from multiturn.store.agents import SqlAgentStore
from multiturn.store.database import Database
from multiturn.store.keys import SqlKeyStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.ports.stores import HandClock


class Shelf:
    """Documents as one server has them: the second one on a database sees those of the first."""

    def __init__(self, database: Database, *, embedders: Embedders, clock: HandClock) -> None:
        self.database = database
        self.store = SqlKnowledgeStore(database)
        self.clock = clock
        self.knowledge = Knowledge(self.store, clock, embedders)
        self.tenant_id: UUID = new_id()
        self.owner = Owner("user", self.tenant_id)

    async def enter(self, name: str) -> None:
        """Be a tenant, whose default user is the owner."""
        tenant = await SqlKeyStore(self.database).ensure_tenant(name, self.clock())
        self.tenant_id, self.owner = tenant.id, Owner("user", tenant.default_user_id)

    def beside(self, database: Database, embedders: Embedders) -> Shelf:
        """The same documents as another server has them."""
        shelf = Shelf(database, embedders=embedders, clock=self.clock)
        shelf.tenant_id, shelf.owner = self.tenant_id, self.owner
        return shelf

    async def make_agent(self) -> Owner:
        """An agent, which may have documents too."""
        now = self.clock()
        agent = Agent(
            id=new_id(), tenant_id=self.tenant_id, version=1, created_at=now, updated_at=now, body=AgentBody(name="a")
        )
        await SqlAgentStore(self.database).add(agent)
        return Owner("agent", agent.id)

    async def add(
        self, title: str, content: str | Sequence[str], *, owner: Owner | None = None, **metadata: Any
    ) -> KnowledgeItem:
        """Add a document."""
        return await self.knowledge.add(
            self.tenant_id, owner or self.owner, title=title, content=content, metadata=metadata
        )

    async def search(self, text: str | None, *, owners: Sequence[Owner] = (), **order: Any) -> DocumentHits:
        """Search."""
        return await self.knowledge.search(self.tenant_id, owners or [self.owner], SearchOrder(text=text, **order))

    async def find_titles(self, text: str | None, **order: Any) -> list[str]:
        """The titles of what a search finds, the best first."""
        return [hit.item.title for hit in (await self.search(text, **order)).hits]

    async def embed_all(self) -> int:
        """Let the background do what is due."""
        done = 0
        while batch := await self.knowledge.embed_due():
            done += batch
        return done


async def open_shelf(database: Database, embedder: ScriptedEmbedder | None) -> Shelf:
    """The documents of a tenant that nobody was before."""
    shelf = Shelf(database, embedders=Embedders(embedder), clock=HandClock())
    await shelf.enter(new_id().hex)
    return shelf
