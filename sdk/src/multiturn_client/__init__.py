"""The Python client of Multiturn, a server that keeps the state of conversations with language models.

>>> session = client.sessions.create()
>>> print(session.ask("Hello"))
You said: Hello
"""

from __future__ import annotations

from multiturn_client.answers import Answer, AnswerFacts, AnswerMessage, Choice
from multiturn_client.asynchronous.agents import AsyncAgents
from multiturn_client.asynchronous.assets import AsyncAssets
from multiturn_client.asynchronous.client import AsyncMultiturn
from multiturn_client.asynchronous.docs import AsyncDocs
from multiturn_client.asynchronous.pages import AsyncPages
from multiturn_client.asynchronous.runs import AsyncRuns
from multiturn_client.asynchronous.sessions import AsyncSession, AsyncSessions
from multiturn_client.asynchronous.stores import AsyncStoreItems, AsyncStores
from multiturn_client.asynchronous.streams import AsyncAnswerStream, AsyncEvents
from multiturn_client.asynchronous.users import AsyncUsers
from multiturn_client.contexts import Context, ContextPart, RetrievedContext, Snippet, Summary
from multiturn_client.documents import Document, Hit, Owner, SearchResults
from multiturn_client.errors import (
    AgentNotFoundError,
    ApiError,
    AssetNotFoundError,
    AuthenticationError,
    ConflictError,
    ConnectionFailed,
    ContextOverflowError,
    DocumentNotFoundError,
    InvalidRequestError,
    JulepError,
    MultiturnError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeout,
    RunNotFoundError,
    ServerError,
    SessionBusyError,
    SessionNotFoundError,
    StoreNotFoundError,
    UpstreamError,
    UserNotFoundError,
)
from multiturn_client.knowledge import Asset, ItemCounts, Place, Store, StoreHit, StoreItem, StoreResults
from multiturn_client.listing import SessionFilter
from multiturn_client.options import (
    AgentChange,
    AgentOptions,
    ChatOptions,
    ContextOptions,
    NewSessionOptions,
    NewUserOptions,
    RecallOptions,
    SearchOptions,
    SessionOptions,
    StoreOptions,
    StoreSearchOptions,
    UserOptions,
)
from multiturn_client.pages import Page
from multiturn_client.record import Record
from multiturn_client.records import (
    Agent,
    Deleted,
    ErasureReceipt,
    Event,
    Health,
    Item,
    Origin,
    Run,
    RunError,
    ToolCall,
    Usage,
    User,
)
from multiturn_client.synchronous.agents import Agents
from multiturn_client.synchronous.assets import Assets
from multiturn_client.synchronous.client import Multiturn
from multiturn_client.synchronous.docs import Docs, OwnerName
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.runs import Runs
from multiturn_client.synchronous.sessions import Session, Sessions
from multiturn_client.synchronous.stores import StoreItems, Stores
from multiturn_client.synchronous.streams import AnswerStream, Events
from multiturn_client.synchronous.users import Users
from multiturn_client.version import VERSION as __version__

__all__ = [
    "Agent",
    "AgentChange",
    "AgentNotFoundError",
    "AgentOptions",
    "Agents",
    "Answer",
    "AnswerFacts",
    "AnswerMessage",
    "AnswerStream",
    "ApiError",
    "Asset",
    "AssetNotFoundError",
    "Assets",
    "AsyncAgents",
    "AsyncAnswerStream",
    "AsyncAssets",
    "AsyncDocs",
    "AsyncEvents",
    "AsyncMultiturn",
    "AsyncPages",
    "AsyncRuns",
    "AsyncSession",
    "AsyncSessions",
    "AsyncStoreItems",
    "AsyncStores",
    "AsyncUsers",
    "AuthenticationError",
    "ChatOptions",
    "Choice",
    "ConflictError",
    "ConnectionFailed",
    "Context",
    "ContextOptions",
    "ContextOverflowError",
    "ContextPart",
    "Deleted",
    "Docs",
    "Document",
    "DocumentNotFoundError",
    "ErasureReceipt",
    "Event",
    "Events",
    "Health",
    "Hit",
    "InvalidRequestError",
    "Item",
    "ItemCounts",
    "JulepError",
    "Multiturn",
    "MultiturnError",
    "NewSessionOptions",
    "NewUserOptions",
    "NotFoundError",
    "Origin",
    "Owner",
    "OwnerName",
    "Page",
    "Pages",
    "PermissionDeniedError",
    "Place",
    "RateLimitError",
    "RecallOptions",
    "Record",
    "RequestTimeout",
    "RetrievedContext",
    "Run",
    "RunError",
    "RunNotFoundError",
    "Runs",
    "SearchOptions",
    "SearchResults",
    "ServerError",
    "Session",
    "SessionBusyError",
    "SessionFilter",
    "SessionNotFoundError",
    "SessionOptions",
    "Sessions",
    "Snippet",
    "Store",
    "StoreHit",
    "StoreItem",
    "StoreItems",
    "StoreNotFoundError",
    "StoreOptions",
    "StoreResults",
    "StoreSearchOptions",
    "Stores",
    "Summary",
    "ToolCall",
    "UpstreamError",
    "Usage",
    "User",
    "UserNotFoundError",
    "UserOptions",
    "Users",
    "__version__",
]
