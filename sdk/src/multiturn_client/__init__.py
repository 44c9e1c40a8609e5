"""The Python client of Multiturn, a server that keeps the state of conversations with language models.

>>> session = client.sessions.create()
>>> print(session.ask("Hello"))
You said: Hello
"""

from __future__ import annotations

from multiturn_client.answers import Answer, AnswerFacts, AnswerMessage, Choice
from multiturn_client.asynchronous.agents import AsyncAgents
from multiturn_client.asynchronous.approvals import AsyncApprovals
from multiturn_client.asynchronous.assets import AsyncAssets
from multiturn_client.asynchronous.client import AsyncMultiturn
from multiturn_client.asynchronous.docs import AsyncDocs
from multiturn_client.asynchronous.pages import AsyncPages
from multiturn_client.asynchronous.runs import AsyncRuns
from multiturn_client.asynchronous.sessions import AsyncSession, AsyncSessions
from multiturn_client.asynchronous.stores import AsyncStoreItems, AsyncStores
from multiturn_client.asynchronous.streams import AsyncAnswerStream, AsyncEvents
from multiturn_client.asynchronous.usage import AsyncUsageReports
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
    RunWaitingError,
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
    RunAgent,
    RunError,
    ToolCall,
    Usage,
    User,
)
from multiturn_client.steps import AgentTools, MissingSource, RunApprovals, ShownTool, Step, StepCall, WaitingCall
from multiturn_client.synchronous.agents import Agents
from multiturn_client.synchronous.approvals import Approvals
from multiturn_client.synchronous.assets import Assets
from multiturn_client.synchronous.client import Multiturn
from multiturn_client.synchronous.docs import Docs, OwnerName
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.runs import Runs
from multiturn_client.synchronous.sessions import Session, Sessions
from multiturn_client.synchronous.stores import StoreItems, Stores
from multiturn_client.synchronous.streams import AnswerStream, Events
from multiturn_client.synchronous.usage import UsageReports
from multiturn_client.synchronous.users import Users
from multiturn_client.tools import (
    AgentLimits,
    Decision,
    FunctionTool,
    HttpTools,
    KnowledgeTool,
    McpTools,
    ReasoningOptions,
)
from multiturn_client.usage import UsageReport, UsageRow, Used
from multiturn_client.version import VERSION as __version__

__all__ = [
    "Agent",
    "AgentChange",
    "AgentLimits",
    "AgentNotFoundError",
    "AgentOptions",
    "AgentTools",
    "Agents",
    "Answer",
    "AnswerFacts",
    "AnswerMessage",
    "AnswerStream",
    "ApiError",
    "Approvals",
    "Asset",
    "AssetNotFoundError",
    "Assets",
    "AsyncAgents",
    "AsyncAnswerStream",
    "AsyncApprovals",
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
    "AsyncUsageReports",
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
    "Decision",
    "Deleted",
    "Docs",
    "Document",
    "DocumentNotFoundError",
    "ErasureReceipt",
    "Event",
    "Events",
    "FunctionTool",
    "Health",
    "Hit",
    "HttpTools",
    "InvalidRequestError",
    "Item",
    "ItemCounts",
    "JulepError",
    "KnowledgeTool",
    "McpTools",
    "MissingSource",
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
    "ReasoningOptions",
    "RecallOptions",
    "Record",
    "RequestTimeout",
    "RetrievedContext",
    "Run",
    "RunAgent",
    "RunApprovals",
    "RunError",
    "RunNotFoundError",
    "RunWaitingError",
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
    "ShownTool",
    "Snippet",
    "Step",
    "StepCall",
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
    "UsageReport",
    "UsageReports",
    "UsageRow",
    "Used",
    "User",
    "UserNotFoundError",
    "UserOptions",
    "Users",
    "WaitingCall",
    "__version__",
]
