"""What a question needs before its turn: the store that is asked, the session that goes on, the titles it selects."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from multiturn.api.jockey.names import read_path, write_store
from multiturn.api.jockey.parse_response import Question, write_selected
from multiturn.api.jockey.store_routes import STORES
from multiturn.api.services import Services
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.citation import Grounding, Selection
from multiturn.model.content import Content, Message
from multiturn.model.ids import find_id
from multiturn.model.session import Session, SessionChange, SessionKey, SessionOrder, SessionSettings
from multiturn.model.tenant import Caller
from multiturn.model.turn import TurnOrder


class Asking:
    """Makes turns of questions, for one caller."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self.services = services
        self.caller = caller

    async def find_store(self, question: Question) -> UUID:
        """The store that a question is asked of. Raises NotFound."""
        store_id = read_path(question.store, STORES)
        return (await self.services.stores.get(self.caller.tenant_id, store_id)).id

    async def write_turn(self, question: Question, store_id: UUID) -> TurnOrder:
        """The turn, with the titles of what its input selects. Raises NotFound for what the store does not have."""
        titles = [await self._find_title(one, store_id) for one in question.selections]
        grounding = Grounding(store_ids=(store_id,), selections=question.selections)
        return replace(question.turn, input=write_input(question.turn.input, titles), grounding=grounding)

    async def _find_title(self, selection: Selection, store_id: UUID) -> str:
        stores, tenant_id = self.services.stores, self.caller.tenant_id
        if selection.kind == "collection":
            return (await stores.get_collection(tenant_id, store_id, selection.id)).name
        return (await stores.get_item(tenant_id, store_id, selection.id)).title

    async def open_session(self, question: Question, store_id: UUID) -> Session:
        """The session of a question, which belongs to one store from its first question on: a new one where none is
        named.

        Raises InvalidRequest for one that is not there (``unknown_session``), or belongs to another store
        (``session_store_mismatch``).
        """
        if question.session is None:
            settings = SessionSettings(store_ids=(store_id,), selections=question.selections)
            return await self.services.sessions.create(self.caller, SessionOrder(settings=settings))
        session = await self._find_session(question.session)
        known = session.settings
        if known.store_ids and known.store_ids[0] != store_id:
            text = (
                f"The session_id parameter is invalid: the session belongs to {write_store(known.store_ids[0])}. "
                "Ask that knowledge store, or start a new session."
            )
            raise InvalidRequest(text, code="session_store_mismatch", param="session_id")
        selections = tuple(dict.fromkeys((*known.selections, *question.selections)))
        if known.store_ids and selections == known.selections:
            return session
        wanted = {"store_ids": (store_id, *known.store_ids[1:]), "selections": selections}
        return await self.services.sessions.update(session, SessionChange(settings=wanted))

    async def _find_session(self, name: str) -> Session:
        try:
            return await self.services.sessions.get(session_key(self.caller, name))
        except NotFound as error:
            text = "The session_id parameter is invalid: there is no such session. Start a new one without it."
            raise InvalidRequest(text, code="unknown_session", param="session_id") from error


def write_input(said: Sequence[Content], titles: Sequence[str]) -> tuple[Content, ...]:
    """What is said, with titles for what it selects."""
    return tuple(
        replace(one, content=write_selected(one.content, titles))
        if isinstance(one, Message) and isinstance(one.content, str)
        else one
        for one in said
    )


def session_key(caller: Caller, name: str) -> SessionKey:
    """A session as a request names it: our id in any form, or the client's."""
    return SessionKey(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        id=find_id(name),
        external_id=name,
        is_bound=caller.is_bound,
    )
