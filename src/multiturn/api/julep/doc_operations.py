"""What can be asked of Julep's documents, described: the same for each kind of owner."""

from __future__ import annotations

from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import JULEP
from multiturn.api.julep.described import (
    BASE,
    DELETED,
    DOC,
    DOCUMENTS,
    HIT,
    IN_SESSION,
    OF_AGENT,
    OF_DOC,
    OF_USER,
    PAGING,
)
from multiturn.api.julep.wire import (
    ItemsBody,
    JulepBulkDeleteBody,
    JulepDeletedBody,
    JulepDocBody,
    JulepDocOrderBody,
    JulepEmbedBody,
    JulepHitsBody,
    JulepSearchBody,
    JulepVectorsBody,
)
from multiturn.api.parameters import USER

READS = {**ANY, 400: ("invalid_request", "invalid_json", "incomplete_body"), 413: ("request_too_large",)}
EMBEDS = {503: ("storage_failed", "embeddings_unavailable", "embedder_busy", "model_not_ready", "upstream_unavailable")}

NEW_DOC = Example(
    name="document",
    title="A document",
    body={"title": DOC["title"], "content": DOC["content"], "metadata": DOC["metadata"]},
)
SEARCH = Example(name="words", title="By words", body={"text": "tram 28", "metadata_filter": {"type": "notes"}})
MEANING = Example(name="meaning", title="By words and by meaning", body={"text": "public transport", "mode": "hybrid"})
BULK = Example(name="filter", title="Those with these metadata", body={"metadata_filter": {"type": "notes"}})
EMBED = Example(name="texts", title="Two texts", body={"text": ["tram 28", "public transport"]})


def describe_all(kind: str, owner: Parameter) -> tuple[Operation, ...]:
    """The operations on all documents of one kind of owner."""
    path, title = f"{BASE}/{kind}s/{{{kind}_id}}", kind.capitalize()
    missing = (f"{kind}_not_found",)
    return (
        Operation(
            name=f"julepList{title}Docs",
            method="get",
            paths=(f"{path}/docs",),
            tag=DOCUMENTS,
            summary=f"List documents of a{'n' if kind == 'agent' else ''} {kind} (Julep)",
            text="In the order of their making; a page of long ones holds fewer than were asked for.",
            parameters=(owner, *PAGING, USER),
            replies=(Reply(text="A page.", shape=ItemsBody[JulepDocBody], example={"items": [DOC]}),),
            errors={**ANY, 404: missing},
            envelope=JULEP,
        ),
        Operation(
            name=f"julepCreate{title}Doc",
            method="post",
            paths=(f"{path}/docs",),
            tag=DOCUMENTS,
            summary=f"Give a{'n' if kind == 'agent' else ''} {kind} a document (Julep)",
            parameters=(owner, USER),
            body=Body(shape=JulepDocOrderBody, examples=(NEW_DOC,)),
            replies=(Reply(text="It is stored, and found.", status=201, shape=JulepDocBody, example=DOC),),
            errors={
                **READS,
                404: missing,
                409: ("document_exists",),
                413: ("request_too_large", "document_too_large"),
            },
            envelope=JULEP,
        ),
        Operation(
            name=f"julepDelete{title}Docs",
            method="delete",
            paths=(f"{path}/docs",),
            tag=DOCUMENTS,
            summary=f"Delete several documents of a{'n' if kind == 'agent' else ''} {kind} (Julep)",
            parameters=(owner, USER),
            body=Body(shape=JulepBulkDeleteBody, examples=(BULK,)),
            replies=(
                Reply(
                    text="What was deleted.",
                    status=202,
                    shape=ItemsBody[JulepDeletedBody],
                    example={"items": [DELETED]},
                ),
            ),
            errors={**READS, 404: missing},
            envelope=JULEP,
        ),
    )


def describe_one(kind: str, owner: Parameter) -> tuple[Operation, ...]:
    """The operations on one document of one kind of owner, and the search for it."""
    path, title = f"{BASE}/{kind}s/{{{kind}_id}}", kind.capitalize()
    missing, missing_doc = (f"{kind}_not_found",), (f"{kind}_not_found", "document_not_found")
    return (
        Operation(
            name=f"julepGet{title}Doc",
            method="get",
            paths=(f"{path}/docs/{{doc_id}}",),
            tag=DOCUMENTS,
            summary=f"Get a document of a{'n' if kind == 'agent' else ''} {kind} (Julep)",
            parameters=(owner, OF_DOC, USER),
            replies=(Reply(text="The document.", shape=JulepDocBody, example=DOC),),
            errors={**ANY, 404: missing_doc},
            envelope=JULEP,
        ),
        Operation(
            name=f"julepDelete{title}Doc",
            method="delete",
            paths=(f"{path}/docs/{{doc_id}}",),
            tag=DOCUMENTS,
            summary=f"Delete a document of a{'n' if kind == 'agent' else ''} {kind} (Julep)",
            parameters=(owner, OF_DOC, USER),
            replies=(Reply(text="It is deleted.", status=202, shape=JulepDeletedBody, example=DELETED),),
            errors={**ANY, 404: missing_doc},
            envelope=JULEP,
        ),
        Operation(
            name=f"julepSearch{title}Docs",
            method="post",
            paths=(f"{path}/search", f"{path}/docs/search"),
            tag=DOCUMENTS,
            summary=f"Search documents of a{'n' if kind == 'agent' else ''} {kind} (Julep)",
            text="By words, by a vector, or both; with `mode` a text is embedded here.",
            parameters=(owner, USER),
            body=Body(shape=JulepSearchBody, examples=(SEARCH, MEANING)),
            replies=(Reply(text="What was found.", shape=JulepHitsBody, example={"docs": [HIT], "time": 0.002}),),
            errors={**READS, **EMBEDS, 404: missing},
            envelope=JULEP,
        ),
    )


OWNERS = (("agent", OF_AGENT), ("user", OF_USER), ("session", IN_SESSION))
OWNED = tuple(one for owner in OWNERS for describe in (describe_all, describe_one) for one in describe(*owner))
ALL = (
    Operation(
        name="julepGetDoc",
        method="get",
        paths=(f"{BASE}/docs/{{doc_id}}",),
        tag=DOCUMENTS,
        summary="Get a document (Julep)",
        parameters=(OF_DOC, USER),
        replies=(Reply(text="The document.", shape=JulepDocBody, example=DOC),),
        errors={**ANY, 404: ("document_not_found",)},
        envelope=JULEP,
    ),
    Operation(
        name="julepEmbed",
        method="post",
        paths=(f"{BASE}/embed",),
        tag=DOCUMENTS,
        summary="Make vectors of texts (Julep)",
        parameters=(USER,),
        body=Body(shape=JulepEmbedBody, examples=(EMBED,)),
        replies=(
            Reply(text="The vectors, in order.", shape=JulepVectorsBody, example={"vectors": [[0.6, 0.8], [1.0, 0.0]]}),
        ),
        errors={**READS, **EMBEDS},
        envelope=JULEP,
    ),
)
