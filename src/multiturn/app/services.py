"""The engine as the handlers see it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from multiturn.api.services import Services
from multiturn.app.engine import Engine
from multiturn.app.library import Library
from multiturn.app.stores import Stores, read_clock
from multiturn.app.tokens import open_tokens
from multiturn.config import Settings
from multiturn.engine.agents import Agents
from multiturn.engine.approvals import Approvals
from multiturn.engine.erasure import erase_documents
from multiturn.engine.keys import Keys
from multiturn.engine.overviews import Overviews
from multiturn.engine.prepared import PreparedContexts
from multiturn.engine.run_listings import RunListings
from multiturn.engine.sessions import Sessions, SessionStores
from multiturn.engine.transfer import Exports
from multiturn.engine.transfer_import import Imports
from multiturn.engine.usage import UsageReports
from multiturn.engine.users import Users
from multiturn.model.tenant import DEFAULT_TENANT, Caller


async def make_services(
    settings: Settings,
    stores: Stores,
    engine: Engine,
    library: Library,
    approvals: Approvals,
    is_ready: Callable[[], bool],
) -> Services:
    """The engine as the handlers see it."""
    check, models = engine.templates.check, engine.models
    session_stores = SessionStores(
        sessions=stores.sessions,
        items=stores.items,
        runs=stores.runs,
        retention=stores.retention,
        agents=stores.agents,
        users=stores.users,
    )
    return Services(
        turns=approvals.turns,
        runs=engine.runs,
        run_listings=RunListings(stores.run_listings, read_clock),
        approvals=approvals,
        sessions=Sessions(session_stores, (engine.assembler, engine.indexes), read_clock, check),
        exports=Exports(stores, engine.knowledge, read_clock),
        imports=Imports(stores, engine.knowledge, engine.upkeep, read_clock, check),
        overviews=Overviews(stores.overviews, read_clock),
        contexts=engine.contexts,
        keys=engine.keys,
        tokens=open_tokens(settings, engine.keys),
        quotas=engine.quotas,
        agents=Agents(
            stores.agents,
            read_clock,
            check,
            partial(erase_documents, stores.retention),
            tool_servers=settings.mcp_servers,
        ),
        users=Users(stores.users, read_clock),
        tenants=engine.tenants,
        usage=UsageReports(stores.usage, read_clock),
        knowledge=engine.knowledge,
        assets=library.assets,
        uploads=library.uploads,
        links=library.links,
        speech=library.speech,
        stores=library.stores,
        prepared=PreparedContexts(stores.prepared, engine.sources, engine.knowledge, read_clock),
        upstream=models.upstream,
        metrics=engine.metrics,
        default_model=models.default_model,
        header_idle_expiry_s=settings.session_idle_expiry_s,
        body_bytes_max=settings.body_bytes_max,
        web_origins=frozenset((*settings.cors_origins, *list_own_origins(settings.public_url))),
        open_caller=await open_caller(engine.keys) if settings.auth == "none" else None,
        models_state=models.states,
        is_ready=is_ready,
    )


async def open_caller(keys: Keys) -> Caller:
    """Who everybody is when authentication is off: the default user of the default tenant."""
    tenant = await keys.store.ensure_tenant(DEFAULT_TENANT, read_clock())
    return Caller(tenant_id=tenant.id, user_id=tenant.default_user_id, key_id=tenant.id, scopes=("admin",))


def list_own_origins(public_url: str | None) -> list[str]:
    """The origin of the server's own pages, where its address is known."""
    if public_url is None:
        return []
    url = urlsplit(public_url)
    return [f"{url.scheme}://{url.netloc}"]
