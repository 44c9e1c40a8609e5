"""What can be asked of Powabase's agents, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Operation, Reply
from multiturn.api.envelopes import POWABASE
from multiturn.api.parameters import USER
from multiturn.api.powabase.described import AGENT_ID, AGENTS, AT, BASE, ENDED, OF_AGENT, PAGING, WRITES
from multiturn.api.powabase.wire import (
    PowabaseAgentBody,
    PowabaseAgentChangeBody,
    PowabaseAgentListBody,
    PowabaseAgentOrderBody,
    PowabaseMessageBody,
)

ONE = f"{BASE}/agents/{{agent_id}}"
MISSING: dict[int, tuple[str, ...]] = {404: ("agent_not_found",)}

NEW: dict[str, Any] = {
    "name": "Ines",
    "model": examples.MODEL,
    "system_prompt": "You are a guide to Lisbon. Be brief.",
    "settings": {"temperature": 0.2, "timeout_seconds": 60},
}
AGENT: dict[str, Any] = {"id": AGENT_ID, **NEW, "created_at": AT, "updated_at": AT}
ROW = {**AGENT, "session_count": 1, "total_runs": 2, "last_run_at": ENDED}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="powabaseListAgents",
        method="get",
        paths=(f"{BASE}/agents",),
        tag=AGENTS,
        summary="List agents (Powabase)",
        text="A key of one user counts that user's sessions and runs.",
        parameters=(*PAGING, USER),
        replies=(
            Reply(
                text="A page.",
                shape=PowabaseAgentListBody,
                example={"agents": [ROW], "total": 1, "limit": 50, "offset": 0},
            ),
        ),
        errors=ANY,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseCreateAgent",
        method="post",
        paths=(f"{BASE}/agents",),
        tag=AGENTS,
        summary="Make an agent (Powabase)",
        parameters=(USER,),
        body=Body(
            shape=PowabaseAgentOrderBody,
            examples=(Example(name="agent", title="An agent with a model and what it is to do", body=NEW),),
        ),
        replies=(Reply(text="It is made.", status=201, shape=PowabaseAgentBody, example=AGENT),),
        errors=WRITES,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseGetAgent",
        method="get",
        paths=(ONE,),
        tag=AGENTS,
        summary="Get an agent (Powabase)",
        parameters=(OF_AGENT, USER),
        replies=(Reply(text="The agent.", shape=PowabaseAgentBody, example=AGENT),),
        errors={**ANY, **MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseUpdateAgent",
        method="patch",
        paths=(ONE,),
        tag=AGENTS,
        summary="Change an agent (Powabase)",
        text="What is named is changed: the agent's next version. `settings` replace those it had.",
        parameters=(OF_AGENT, USER),
        body=Body(
            shape=PowabaseAgentChangeBody,
            examples=(Example(name="change", title="How it answers", body={"settings": {"temperature": 0.5}}),),
        ),
        replies=(Reply(text="As it is now.", shape=PowabaseAgentBody, example=AGENT),),
        errors={**WRITES, **MISSING},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseDeleteAgent",
        method="delete",
        paths=(ONE,),
        tag=AGENTS,
        summary="Delete an agent (Powabase)",
        text="Its sessions stay, and go on without it.",
        parameters=(OF_AGENT, USER),
        replies=(Reply(text="It is gone.", shape=PowabaseMessageBody, example={"message": "Agent deleted"}),),
        errors={**ANY, **MISSING},
        envelope=POWABASE,
    ),
)
