"""What can be asked of Julep's agents and users, described."""

from __future__ import annotations

from multiturn.api import examples
from multiturn.api.description import ANY, PROVIDER, Body, Example, Operation, Reply
from multiturn.api.envelopes import JULEP
from multiturn.api.julep.described import AGENT, BASE, DELETED, OF_AGENT, OF_USER, PAGING, PEOPLE, USER
from multiturn.api.julep.wire import (
    ItemsBody,
    JulepAgentBody,
    JulepAgentChangeBody,
    JulepAgentOrderBody,
    JulepDeletedBody,
    JulepModelsBody,
    JulepUserBody,
    JulepUserChangeBody,
)
from multiturn.api.parameters import USER as ACTS_FOR

AGENT_PATH, USER_PATH = f"{BASE}/agents/{{agent_id}}", f"{BASE}/users/{{user_id}}"
WRITES = {**ANY, 400: ("invalid_request", "invalid_json", "incomplete_body"), 413: ("request_too_large",)}
WRITES_AGENT = {**WRITES, 400: (*WRITES[400], "template_error"), 409: ("agent_exists",)}
NO_AGENT = {404: ("agent_not_found",)}
NO_USER = {404: ("user_not_found",)}

NEW_AGENT = Example(
    name="agent",
    title="An agent with a name and what it is to do",
    body={"name": "Ines", "about": "a guide to Lisbon", "model": examples.MODEL, "instructions": ["Be brief."]},
)
AGENT_CHANGE = Example(name="change", title="How it answers", body={"default_settings": {"temperature": 0.2}})
NEW_USER = Example(name="user", title="A user", body={"name": "Ada", "about": "likes trams"})

AGENTS = (
    Operation(
        name="julepListAgents",
        method="get",
        paths=(f"{BASE}/agents",),
        tag=PEOPLE,
        summary="List agents (Julep)",
        parameters=(*PAGING, ACTS_FOR),
        replies=(Reply(text="A page.", shape=ItemsBody[JulepAgentBody], example={"items": [AGENT]}),),
        errors=ANY,
        envelope=JULEP,
    ),
    Operation(
        name="julepCreateAgent",
        method="post",
        paths=(f"{BASE}/agents",),
        tag=PEOPLE,
        summary="Make an agent (Julep)",
        parameters=(ACTS_FOR,),
        body=Body(shape=JulepAgentOrderBody, examples=(NEW_AGENT,)),
        replies=(Reply(text="It is made.", status=201, shape=JulepAgentBody, example=AGENT),),
        errors=WRITES_AGENT,
        envelope=JULEP,
    ),
    Operation(
        name="julepListModels",
        method="get",
        paths=(f"{BASE}/agents/models",),
        tag=PEOPLE,
        summary="List the models (Julep)",
        parameters=(ACTS_FOR,),
        replies=(
            Reply(
                text="The models that would be answered.",
                shape=JulepModelsBody,
                example={"models": [{"id": examples.MODEL}]},
            ),
        ),
        errors={**ANY, **PROVIDER, 502: (*PROVIDER[502], "upstream_refused")},
        envelope=JULEP,
    ),
    Operation(
        name="julepGetAgent",
        method="get",
        paths=(AGENT_PATH,),
        tag=PEOPLE,
        summary="Get an agent (Julep)",
        parameters=(OF_AGENT, ACTS_FOR),
        replies=(Reply(text="The agent.", shape=JulepAgentBody, example=AGENT),),
        errors={**ANY, **NO_AGENT},
        envelope=JULEP,
    ),
    Operation(
        name="julepPutAgent",
        method="post",
        paths=(AGENT_PATH,),
        tag=PEOPLE,
        summary="Make or overwrite an agent (Julep)",
        text="The path has the UUID that it is to have.",
        parameters=(OF_AGENT, ACTS_FOR),
        body=Body(shape=JulepAgentOrderBody, examples=(NEW_AGENT,)),
        replies=(Reply(text="It is there.", status=201, shape=JulepAgentBody, example=AGENT),),
        errors={**WRITES_AGENT, **NO_AGENT},
        envelope=JULEP,
    ),
    Operation(
        name="julepUpdateAgent",
        method="patch",
        paths=(AGENT_PATH,),
        tag=PEOPLE,
        summary="Change an agent (Julep)",
        text="Metadata are merged; of the others what is given counts, and null is not.",
        parameters=(OF_AGENT, ACTS_FOR),
        body=Body(shape=JulepAgentChangeBody, examples=(AGENT_CHANGE,)),
        replies=(Reply(text="As it is now.", shape=JulepAgentBody, example=AGENT),),
        errors={**WRITES_AGENT, **NO_AGENT},
        envelope=JULEP,
    ),
    Operation(
        name="julepResetAgent",
        method="put",
        paths=(AGENT_PATH,),
        tag=PEOPLE,
        summary="Overwrite an agent (Julep)",
        parameters=(OF_AGENT, ACTS_FOR),
        body=Body(shape=JulepAgentOrderBody, examples=(NEW_AGENT,)),
        replies=(Reply(text="As it is now.", shape=JulepAgentBody, example=AGENT),),
        errors={**WRITES_AGENT, **NO_AGENT},
        envelope=JULEP,
    ),
    Operation(
        name="julepDeleteAgent",
        method="delete",
        paths=(AGENT_PATH,),
        tag=PEOPLE,
        summary="Delete an agent (Julep)",
        text="With its documents. Sessions that name it go on without it.",
        parameters=(OF_AGENT, ACTS_FOR),
        replies=(Reply(text="It is deleted.", status=202, shape=JulepDeletedBody, example=DELETED),),
        errors={**ANY, **NO_AGENT},
        envelope=JULEP,
    ),
)

USERS = (
    Operation(
        name="julepListUsers",
        method="get",
        paths=(f"{BASE}/users",),
        tag=PEOPLE,
        summary="List users (Julep)",
        parameters=(*PAGING, ACTS_FOR),
        replies=(Reply(text="A page.", shape=ItemsBody[JulepUserBody], example={"items": [USER]}),),
        errors=ANY,
        envelope=JULEP,
    ),
    Operation(
        name="julepCreateUser",
        method="post",
        paths=(f"{BASE}/users",),
        tag=PEOPLE,
        summary="Make a user (Julep)",
        parameters=(ACTS_FOR,),
        body=Body(shape=JulepUserChangeBody, examples=(NEW_USER,)),
        replies=(Reply(text="It is made.", status=201, shape=JulepUserBody, example=USER),),
        errors=WRITES,
        envelope=JULEP,
    ),
    Operation(
        name="julepGetUser",
        method="get",
        paths=(USER_PATH,),
        tag=PEOPLE,
        summary="Get a user (Julep)",
        parameters=(OF_USER, ACTS_FOR),
        replies=(Reply(text="The user.", shape=JulepUserBody, example=USER),),
        errors={**ANY, **NO_USER},
        envelope=JULEP,
    ),
    Operation(
        name="julepPutUser",
        method="post",
        paths=(USER_PATH,),
        tag=PEOPLE,
        summary="Make or overwrite a user (Julep)",
        text="The path has the UUID that it is to have.",
        parameters=(OF_USER, ACTS_FOR),
        body=Body(shape=JulepUserChangeBody, examples=(NEW_USER,)),
        replies=(Reply(text="It is there.", status=201, shape=JulepUserBody, example=USER),),
        errors={**WRITES, **NO_USER, 409: ("user_exists",)},
        envelope=JULEP,
    ),
    Operation(
        name="julepUpdateUser",
        method="patch",
        paths=(USER_PATH,),
        tag=PEOPLE,
        summary="Change a user (Julep)",
        text="Metadata are merged; of the others what is given counts, and null is not.",
        parameters=(OF_USER, ACTS_FOR),
        body=Body(shape=JulepUserChangeBody, examples=(NEW_USER,)),
        replies=(Reply(text="As it is now.", shape=JulepUserBody, example=USER),),
        errors={**WRITES, **NO_USER},
        envelope=JULEP,
    ),
    Operation(
        name="julepResetUser",
        method="put",
        paths=(USER_PATH,),
        tag=PEOPLE,
        summary="Overwrite a user (Julep)",
        parameters=(OF_USER, ACTS_FOR),
        body=Body(shape=JulepUserChangeBody, examples=(NEW_USER,)),
        replies=(Reply(text="As it is now.", shape=JulepUserBody, example=USER),),
        errors={**WRITES, **NO_USER},
        envelope=JULEP,
    ),
    Operation(
        name="julepDeleteUser",
        method="delete",
        paths=(USER_PATH,),
        tag=PEOPLE,
        summary="Erase a user (Julep)",
        text="With their documents, and with the sessions that are theirs or that they take part in.",
        parameters=(OF_USER, ACTS_FOR),
        replies=(Reply(text="They are gone.", status=202, shape=JulepDeletedBody, example=DELETED),),
        errors={**ANY, **NO_USER},
        envelope=JULEP,
    ),
)
