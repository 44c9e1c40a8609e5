"""The shapes of sessions in the native API: as they are shown, and as they are asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.auth import ID_CHARS_MAX, NAME_PATTERN
from multiturn.api.fields import EXPIRY_MAX_S
from multiturn.api.message_shapes import ChatMessage, DeveloperMessage, SystemMessage
from multiturn.api.native.query import NUMBER_MAX
from multiturn.api.native.wire import Time
from multiturn.api.policy import PolicyFields, PolicyShown
from multiturn.api.schemas import PREFIX, find_shape
from multiturn.engine.sessions import ITEMS_MAX, TEXT_CHARS_MAX

AGENT = "An agent that takes part, by our id or its canonical name."
PARTICIPANT = "A user that takes part, by our id or the external id. Whose the session is, the key or `X-User-Id` says."
EXPIRY = "Seconds without use after which it is deleted with everything in it; null keeps it."
INSTRUCTIONS = "What stands first in every context: a text, or system and developer messages."
# What `check_text` lets through, as a regular expression of JSON Schema (ECMA-262).
TEXT_PATTERN = r"^[^\u0000-\u0008\u000b-\u001f\u007f]*$"
SITUATION = "What templates say about this conversation."
TEMPLATE = "The template of the system message, in Jinja; null: the agent's, else the standard one."
RENDERED = "Whether the texts of a turn's messages are templates too."
EXTERNAL_ID = "A name of the client's, unique within its user."
# A message is kept as it came, with fields that we do not know: these shapes say what is asked of it.
LEADING = {"anyOf": [{"$ref": PREFIX + find_shape(shape)} for shape in (SystemMessage, DeveloperMessage)]}
ANY_MESSAGE = {"anyOf": [{"$ref": PREFIX + find_shape(shape)} for shape in get_args(ChatMessage)]}
Leading = Annotated[dict[str, Any], Meta(extra_json_schema=LEADING)]
AnyMessage = Annotated[dict[str, Any], Meta(extra_json_schema=ANY_MESSAGE)]
Name = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX, extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})]
Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX, extra_json_schema={"pattern": TEXT_PATTERN})]
Expiry = Annotated[int, Meta(ge=1, le=EXPIRY_MAX_S)]
Metadata = dict[str, Any]


class OriginBody(Struct, kw_only=True):
    """Where a session was forked."""

    session_id: Annotated[str, Meta(description="Our id of the session whose items it shares.")]
    seq: Annotated[int, Meta(description="The last `seq` that it shares.")]


class SessionBody(PolicyShown, kw_only=True):
    """A conversation: an ordered container of items, and its settings."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7: later sessions sort behind earlier ones.")]
    object: Literal["session"] = "session"
    external_id: Annotated[str | None, Meta(description="The id that the client chose, unique within its user.")]
    created_at: Annotated[Time, Meta(description="When it was made, in UTC.")]
    active_at: Annotated[Time, Meta(description="When it was last used, in UTC.")]
    expires_at: Annotated[Time | None, Meta(description="When it is deleted unless it is used again; null: never.")]
    idle_expiry_s: Annotated[int | None, Meta(description=EXPIRY)]
    items: Annotated[int, Meta(description="How many items are stored, those of branches left included.")]
    shown_from: Annotated[int, Meta(description="The first `seq` that the model is still shown; older ones are kept.")]
    instructions: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="The leading system and developer messages, which stand first in every context."),
    ]
    metadata: Metadata
    running: Annotated[str | None, Meta(description="The run that holds the session now; null when it is free.")]
    agents: Annotated[list[str], Meta(description="Our ids of the agents that take part; the first one answers.")]
    users: Annotated[list[str], Meta(description="Our ids of the users that take part.")]
    stores: Annotated[list[str], Meta(description="Our ids of the knowledge stores that its answers rest on.")]
    agent_id: Annotated[str | None, Meta(description="The first of the agents.")]
    user_id: Annotated[str | None, Meta(description="The first of the users that take part.")]
    model: Annotated[str | None, Meta(description="The model of a turn that names none; null: the agent's.")]
    situation: Annotated[str | None, Meta(description=SITUATION)]
    system_template: Annotated[str | None, Meta(description=TEMPLATE)]
    render_templates: Annotated[bool, Meta(description=RENDERED)]
    forked_from: Annotated[OriginBody | None, Meta(description="The session whose items it shares; null: none.")]


class SessionFields(PolicyFields, kw_only=True):
    """What may be set of a session; null unsets it."""

    agent_id: Annotated[str | UnsetType | None, Meta(description=f"{AGENT} It stands before `agents`.")] = UNSET
    agents: Annotated[list[str] | UnsetType | None, Meta(description=f"{AGENT} The first one answers.")] = UNSET
    user_id: Annotated[str | UnsetType | None, Meta(description=f"{PARTICIPANT} It stands before `users`.")] = UNSET
    users: Annotated[list[str] | UnsetType | None, Meta(description=PARTICIPANT)] = UNSET
    stores: Annotated[
        list[str] | UnsetType | None,
        Meta(description="The knowledge stores that answers are to rest on and cite, by their ids or names."),
    ] = UNSET
    model: Annotated[Name | UnsetType | None, Meta(description="The model of a turn that names none.")] = UNSET
    instructions: Annotated[str | list[Leading] | UnsetType | None, Meta(description=INSTRUCTIONS)] = UNSET
    situation: Annotated[Text | UnsetType | None, Meta(description=SITUATION)] = UNSET
    system_template: Annotated[Text | UnsetType | None, Meta(description=TEMPLATE)] = UNSET
    render_templates: Annotated[bool | UnsetType | None, Meta(description=RENDERED)] = UNSET
    idle_expiry_s: Annotated[Expiry | UnsetType | None, Meta(description=EXPIRY)] = UNSET


class SessionOrderBody(SessionFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A session to make without a turn."""

    external_id: Annotated[Name | None, Meta(description=EXTERNAL_ID)] = None
    metadata: Annotated[Metadata | None, Meta(description="Anything, at most 16 KB.")] = None
    items: Annotated[
        Annotated[list[AnyMessage], Meta(max_length=ITEMS_MAX)] | None,
        Meta(description="Messages as chat completions have them, the beginning of its history; at most 1,000."),
    ] = None


class SessionChangeBody(SessionFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a session; what is left out stays."""

    metadata: (
        Annotated[
            Metadata | None, Meta(description="Merged key by key: null takes a key away, null for all of it all keys.")
        ]
        | UnsetType
    ) = UNSET


class ForkBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A session to make of another one's items."""

    at: Annotated[
        Annotated[int, Meta(ge=0, le=NUMBER_MAX)] | None,
        Meta(description="The last `seq` to share, one of the active branch; null: its last."),
    ] = None
    external_id: Annotated[Name | None, Meta(description=EXTERNAL_ID)] = None
    metadata: Annotated[Metadata | None, Meta(description="Instead of the other session's; null takes these.")] = None


class DeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: Annotated[str, Meta(description="Our id of the session.")]
    object: Literal["session.deleted"] = "session.deleted"
    deleted: Literal[True] = True
