"""`multiturn approvals` and `multiturn chat --agent`, before a server whose agent has tools."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from multiturn.cli.approvals import print_waiting, say, write_word
from multiturn.cli.client import Client
from multiturn.cli.place import Place as Seat
from multiturn.cli.talk import Asked, Piece, Talk
from multiturn.errors import MultiturnError
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.test_native_agents import make
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_S = 10.0
SOURCE = {"type": "mcp", "label": "files", "url": "http://127.0.0.1:9/mcp", "approval": "always"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_place(
        tmp_path_factory.mktemp("server"), None, model="scripted", tool_host=ScriptedHost({"write": echo})
    ) as place:
        yield place


async def hear(place: Place, text: str, heard: list[Piece], *, session: str = "talk") -> str:
    """Say something to an agent as `multiturn chat --agent` does."""
    headers = {"Authorization": f"Bearer {place.key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        talk = Talk(Client(http, place.url), Asked(session=session, agent="guide", system="Be brief."))
        return await talk.say(text, heard.append)


async def begin(place: Place) -> tuple[asyncio.Task[str], list[Piece], str]:
    """A person talks with an agent that wants to call a tool: the turn, what is heard, and the run."""
    await make(place, "agents", name="Guide", canonical_name="guide", tools=[SOURCE])
    place.will_say(Script(tool_calls=[ScriptedCall("files__write", '{"text": "a"}')]), "Written.")
    heard: list[Piece] = []
    turn = asyncio.create_task(hear(place, "Write a.", heard))
    async with asyncio.timeout(LONG_S):
        while not (found := (await place.get("/v1/approvals"))["data"]):
            assert not turn.done(), turn.result()
            await asyncio.sleep(0.01)
    return turn, heard, str(found[0]["run"]["id"])


def seat_of(place: Place) -> Seat:
    return Seat(url=place.url, key=place.key)


async def test_what_waits_is_listed_and_approved(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    turn, heard, run_id = await begin(place)
    await print_waiting(seat_of(place), as_json=False)
    shown = capsys.readouterr().out
    assert re.search(rf'{run_id} +\S+ +files__write +{{"text": "a"}}', shown), shown
    await say(seat_of(place), run_id, write_word(None, approved=True, reason="Why not."))
    assert capsys.readouterr().out == f"Run {run_id}: said. It goes on.\n"
    async with asyncio.timeout(LONG_S):
        assert await turn == "stop"
    assert "".join(piece.text for piece in heard if not piece.is_thought) == "Written."
    told = "".join(piece.text for piece in heard if piece.is_thought)
    assert f"waits for your word: `multiturn approvals approve {run_id}` or `deny`" in told
    await print_waiting(seat_of(place), as_json=False)
    assert capsys.readouterr().out == "Nothing waits.\n"
    with pytest.raises(MultiturnError) as refused:
        await say(seat_of(place), run_id, write_word(None, approved=True, reason=None))
    assert refused.value.code == "run_not_waiting"


async def test_one_call_is_denied(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    turn, _, run_id = await begin(place)
    await print_waiting(seat_of(place), as_json=True)
    call_id = re.findall(r'"call_id": "([^"]+)"', capsys.readouterr().out)[0]
    await say(seat_of(place), run_id, write_word([call_id], approved=False, reason="Not today."))
    async with asyncio.timeout(LONG_S):
        assert await turn == "stop"
    assert "Not today." in place.seen_texts[-1][-1]


async def test_agent_takes_over_a_session(place: Place) -> None:
    await place.ask("hi", session_id="talk")
    await make(place, "agents", name="Guide", canonical_name="guide")
    heard: list[Piece] = []
    assert await hear(place, "Hello.", heard) == "stop"
    assert "".join(piece.text for piece in heard) == "ok"
    first = str(place.seen_texts[-1][0])
    assert "You are Guide." in first
    assert "hi" in place.seen_texts[-1]
    assert any("Be brief." in str(text) for text in place.seen_texts[-1])
