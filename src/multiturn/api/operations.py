"""Every operation of the server: what is asked where, what comes back, and how it can fail."""

from __future__ import annotations

from multiturn.api.admin.operations import OPERATIONS as ADMIN
from multiturn.api.chat.operations import OPERATIONS as CHAT
from multiturn.api.description import BUG, Operation, Reply
from multiturn.api.files.operations import OPERATIONS as FILES
from multiturn.api.files.store_files_operations import OPERATIONS as VECTOR_STORE_FILES
from multiturn.api.jockey.described import TAGS as JOCKEY_TAGS
from multiturn.api.jockey.operations import OPERATIONS as JOCKEY
from multiturn.api.julep.described import TAGS as JULEP_TAGS
from multiturn.api.julep.operations import OPERATIONS as JULEP
from multiturn.api.mcp.operations import OPERATIONS as MCP
from multiturn.api.mcp.operations import TAGS as MCP_TAGS
from multiturn.api.native.agents_operations import OPERATIONS as AGENTS
from multiturn.api.native.approvals_operations import OPERATIONS as APPROVALS
from multiturn.api.native.assets_operations import OPERATIONS as ASSETS
from multiturn.api.native.chat_operations import OPERATIONS as NATIVE_CHAT
from multiturn.api.native.contexts_operations import OPERATIONS as CONTEXTS
from multiturn.api.native.documents_operations import OPERATIONS as DOCUMENTS
from multiturn.api.native.operations import OPERATIONS as RUNS
from multiturn.api.native.session_operations import OPERATIONS as SESSIONS
from multiturn.api.native.store_items_operations import OPERATIONS as STORE_ITEMS
from multiturn.api.native.stores_operations import OPERATIONS as STORES
from multiturn.api.native.tenant_operations import OPERATIONS as TENANT
from multiturn.api.native.transfer_operations import OPERATIONS as TRANSFER
from multiturn.api.native.usage_operations import OPERATIONS as USAGE
from multiturn.api.native.users_operations import OPERATIONS as USERS
from multiturn.api.powabase.described import TAGS as POWABASE_TAGS
from multiturn.api.powabase.operations import OPERATIONS as POWABASE
from multiturn.api.shapes import HealthBody, ReadyBody

TAGS = {
    "Chat completions": "OpenAI's `POST /chat/completions`, with a memory: name a session, and send only what is new.",
    "Models": "What can answer.",
    "Sessions": "The conversations as they are stored, of whatever API began them.",
    "Runs": "A run is one execution of a turn. It is kept whatever became of it, and tells its events for an hour.",
    "Contexts": "What a model was, or would be, shown: part by part, with what was recalled for it and why.",
    "Documents": "What a session, an agent or a user is to know besides the conversation; each turn searches in it.",
    "Assets": "Files that are put in: documents, recordings, video, pictures. Knowledge stores are made of them.",
    "Links to files": "Open to everybody who has the link, for some days: the server signed it for one file.",
    "Knowledge stores": "Files that are searched together: put in, followed while they are indexed, read and searched.",
    "Files (OpenAI)": "OpenAI's `/files`: the same assets.",
    "Vector stores (OpenAI)": "OpenAI's `/vector_stores`: the same knowledge stores.",
    "Agents": "Who answers in sessions: what it is, what it is told, how it is asked; version by version.",
    "Users": "Who owns sessions or takes part in them, and what agents are to know of them.",
    "Tenant": "What counts for the contexts of all sessions, unless an agent, a session or a turn says otherwise.",
    "Usage": "What was used: tokens and money, by day, user, model and session.",
    "Keys": "API keys, for keys with the scope `admin`. `multiturn keys` does the same on the command line.",
    "Quotas": "How much a tenant, its users and its sessions may use, for keys with the scope `admin`. "
    "`multiturn quotas` does the same on the command line.",
    **JOCKEY_TAGS,
    **JULEP_TAGS,
    **POWABASE_TAGS,
    **MCP_TAGS,
    "Server": "Open to everybody; they tell nothing of anybody's data.",
}

SERVER = (
    Operation(
        name="getHealth",
        method="get",
        paths=("/healthz",),
        tag="Server",
        summary="Whether the server lives",
        replies=(Reply(text="It does.", shape=HealthBody, example={"status": "ok", "models": []}),),
        errors=BUG,
        is_open=True,
    ),
    Operation(
        name="getReadiness",
        method="get",
        paths=("/readyz",),
        tag="Server",
        summary="Whether turns are taken",
        replies=(
            Reply(text="They are.", shape=ReadyBody, example={"status": "ready"}),
            Reply(text="They are not, now.", status=503, shape=ReadyBody, example={"status": "database away"}),
        ),
        errors=BUG,
        is_open=True,
    ),
    Operation(
        name="getMetrics",
        method="get",
        paths=("/metrics",),
        tag="Server",
        summary="Metrics",
        replies=(Reply(text="In Prometheus' text format, version 0.0.4.", media="text/plain"),),
        errors=BUG,
        is_open=True,
    ),
    Operation(
        name="getDescription",
        method="get",
        paths=("/openapi.json",),
        tag="Server",
        summary="This description, for programs",
        replies=(Reply(text="OpenAPI 3.1.", shape=dict, example={"openapi": "3.1.0"}),),
        errors=BUG,
        is_open=True,
    ),
    Operation(
        name="getDocumentation",
        method="get",
        paths=("/docs",),
        tag="Server",
        summary="This description, for people",
        replies=(Reply(text="One page, which needs no network.", media="text/html"),),
        errors=BUG,
        is_open=True,
    ),
)

OPERATIONS: tuple[Operation, ...] = (
    *CHAT,
    *NATIVE_CHAT,
    *SESSIONS,
    *TRANSFER,
    *RUNS,
    *APPROVALS,
    *CONTEXTS,
    *DOCUMENTS,
    *ASSETS,
    *STORES,
    *STORE_ITEMS,
    *FILES,
    *VECTOR_STORE_FILES,
    *AGENTS,
    *USERS,
    *TENANT,
    *USAGE,
    *ADMIN,
    *JOCKEY,
    *JULEP,
    *POWABASE,
    *MCP,
    *SERVER,
)
