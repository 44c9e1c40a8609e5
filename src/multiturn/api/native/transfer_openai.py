"""Reads the conversations of an OpenAI chat export (conversations.json): of each the branch that was shown last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from multiturn.api.auth import check_id
from multiturn.api.native.transfer_chat import History, read_date
from multiturn.api.native.transfer_lines import Piece
from multiturn.errors import InvalidRequest
from multiturn.model.archive import Archived, ArchivedSession, LeftOut
from multiturn.model.content import Message

WHY = "Only what people and the assistant said to each other is imported."
TITLE_CHARS_MAX = 1000


class Author(Struct):
    """Who wrote a message."""

    role: str
    name: str | None = None


class Body(Struct):
    """What a message holds: texts and other parts, or something that its type says."""

    content_type: str = "text"
    parts: list[Any] | None = None


class Said(Struct):
    """A message of the export."""

    author: Author
    content: Body
    create_time: float | None = None
    recipient: str | None = "all"
    metadata: dict[str, Any] | None = None


class Node(Struct):
    """A place in the tree of a conversation."""

    message: Said | None = None
    parent: str | None = None
    children: list[str] = []


class Conversation(Struct):
    """A conversation: a tree of messages."""

    mapping: dict[str, Node]
    current_node: str | None = None
    title: str | None = None
    create_time: float | None = None
    update_time: float | None = None
    id: str | None = None
    conversation_id: str | None = None


read_conversation = msgspec.json.Decoder(Conversation).decode


class ConversationReader:
    """Reads conversations, each as one session under the id that it had."""

    def __init__(self) -> None:
        self.left_out: list[LeftOut] = []

    def read(self, piece: Piece) -> list[Archived]:
        """A conversation. Raises InvalidRequest, or msgspec's errors."""
        conversation = read_conversation(piece.body)
        begun_at = read_date(conversation.create_time)
        history = History(begun_at)
        session = ArchivedSession(
            id=history.session_id,
            external_id=name_of(conversation),
            created_at=begun_at,
            active_at=read_date(conversation.update_time),
            metadata={"title": conversation.title[:TITLE_CHARS_MAX]} if conversation.title else {},
        )
        records: list[Archived] = [session]
        left: Counter[str] = Counter()
        for said in list_branch(conversation):
            message = read_said(said, left)
            if message:
                records += history.add([message], read_date(said.create_time))
        self.left_out += [LeftOut(where=piece.where, what=f"{count} × {what}", why=WHY) for what, count in left.items()]
        return records

    def finish(self) -> list[Archived]:
        """Nothing is left."""
        return []


def name_of(conversation: Conversation) -> str | None:
    """The id that a conversation had. Raises InvalidRequest."""
    name = conversation.conversation_id or conversation.id
    return check_id(name, "id") if name else None


def list_branch(conversation: Conversation) -> Sequence[Said]:
    """The messages from the root to the node that was shown last. Raises InvalidRequest for a tree that is none."""
    mapping = conversation.mapping
    at = conversation.current_node or find_leaf(mapping)
    nodes: list[Node] = []
    while at is not None:
        node = mapping.get(at)
        if node is None:
            raise InvalidRequest(f"its tree has no node '{at:.80}'")
        nodes.append(node)
        if len(nodes) > len(mapping):
            raise InvalidRequest("its tree goes round in a circle")
        at = node.parent
    return [node.message for node in reversed(nodes) if node.message]


def find_leaf(mapping: Mapping[str, Node]) -> str | None:
    """The node at the end of the newest branch."""
    at = next((name for name, node in mapping.items() if node.parent is None), None)
    for _ in mapping:
        node = mapping.get(at) if at else None
        if node is None or not node.children:
            break
        at = node.children[-1]
    return at


def read_said(said: Said, left: Counter[str]) -> Message | None:
    """A message; None for what was not said to anybody, which is counted unless there is nothing in it."""
    role, kind = said.author.role, said.content.content_type
    parts = said.content.parts or []
    texts = [read_part(part) for part in parts]
    text = "\n".join(text for text in texts if text)
    is_hidden = bool((said.metadata or {}).get("is_visually_hidden_from_conversation"))
    if kind in ("text", "multimodal_text") and role in ("user", "assistant") and said.recipient in (None, "all"):
        if pictures := texts.count(None):
            left["picture, sound or file"] += pictures
        if text and not is_hidden:
            extra = {"name": said.author.name} if said.author.name else None
            return Message("user" if role == "user" else "assistant", text, extra)
    if text or kind not in ("text", "multimodal_text"):
        left[f"{role}, {kind}"] += 1
    return None


def read_part(part: Any) -> str | None:
    """The words of a part; None where it has none."""
    if isinstance(part, str):
        return part
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else None
