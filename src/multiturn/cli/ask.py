"""`multiturn ask`: a question to a knowledge store, answered with citations."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from multiturn.cli.client import Client, path_of
from multiturn.cli.place import Place, place_of
from multiturn.cli.progress import follow_model
from multiturn.cli.reach import reach
from multiturn.cli.screen import Screen
from multiturn.cli.tables import JsonOption, print_json, without_controls
from multiturn.cli.talk import Asked, Piece, Talk, find_model, read_frames
from multiturn.errors import MultiturnError, Unavailable

QUOTE_CHARS_MAX = 120
EXIT_INTERRUPTED = 130

QuestionArgument = Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked.")]
StoreOption = Annotated[str, typer.Option("--store", metavar="NAME", help="The store, by its name or id.")]
SessionOption = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Session to ask on in, or to begin under this id. A new one by default."),
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Model to ask; the server's default model by default.")
]


class Question(Struct, frozen=True, kw_only=True):
    """What is asked of which store, in which session; a session that has the store needs not be told again."""

    text: str
    store: str | None
    session: str
    model: str | None = None


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ask")(ask)


def ask(
    context: typer.Context,
    question: QuestionArgument,
    store: StoreOption,
    session: SessionOption = None,
    model: ModelOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a knowledge store, and show what each sentence of the answer rests on: which file, which page or second.

    The server keeps the conversation: with --session the next question may be about the last answer.

    Exit codes: 0 answered; 1 the server refused, or there is no such store; 130 interrupted: the answer is kept.
    """
    asked = Question(text=question, store=store, session=session or f"ask-{secrets.token_hex(4)}", model=model)
    try:
        asyncio.run(ask_once(place_of(context), asked, as_json=json))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


async def ask_once(place: Place, question: Question, *, as_json: bool) -> None:
    """Ask, and print the answer with what it rests on."""
    is_person = sys.stdout.isatty() and not as_json
    screen = Screen(is_person=is_person, has_color=is_person and "NO_COLOR" not in os.environ)
    async with reach(place, takes_turns=True) as client:
        await wait_for_model(client, question, Console(stderr=True, highlight=False))
        named = await open_store_session(client, question)
        answer = await put_question(client, named, None if as_json else screen)
    if as_json:
        print_json(answer)
        return
    for line in write_citations(answer["citations"]):
        print(without_controls(line))
    screen.note(f'\nTo ask on: multiturn ask --store {question.store} --session {question.session} "…"')


async def wait_for_model(client: Client, question: Question, console: Console) -> None:
    """Wait until the server's own model is ready, and show how far it is. Raises Unavailable when it is not."""
    talk = Talk(client, Asked(session=question.session, model=question.model))
    state = await follow_model(talk.read_state, console, is_patient=False)
    if state and state.state != "ready":
        raise Unavailable(f"The model {state.name} is not ready: {state.detail}")


async def put_question(client: Client, question: Question, screen: Screen | None) -> dict[str, Any]:
    """Ask, show the answer on the screen as it comes, and return it whole. Raises MultiturnError."""
    try:
        return await put_once(client, question, screen)
    except MultiturnError as error:
        if question.model or error.param != "model" or error.code == "model_not_found":
            raise  # Else the server has no default model: the first of its list will do.
    return await put_once(client, replace(question, model=await find_model(client)), screen)


async def put_once(client: Client, question: Question, screen: Screen | None) -> dict[str, Any]:
    """Ask with the model that the question names, or none."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": question.text}], "stream": True}
    body |= {name: value for name in ("store", "model") if (value := getattr(question, name)) is not None}
    if screen:
        screen.begin_answer()
    answer: dict[str, Any] = {}
    async with client.stream(path_of("sessions", question.session, "chat"), body) as frames:
        async for event in read_frames(frames):
            answer = event.get("answer") or answer
            if screen and event["type"] == "delta":
                show_delta(event, screen)
    if screen:
        screen.end_answer("")
    return answer


def show_delta(event: Mapping[str, Any], screen: Screen) -> None:
    """Show a piece of an answer."""
    if thought := event.get("reasoning"):
        screen.write(Piece(thought, is_thought=True))
    if text := event.get("text"):
        screen.write(Piece(text))


async def open_store_session(client: Client, question: Question) -> Question:
    """Make the session of a question with its store, where there is none; the question as it is to be put there.

    Raises MultiturnError when there is no such store.
    """
    store = await client.get(path_of("stores", question.store or ""))
    try:
        session = await client.get(path_of("sessions", question.session))
    except MultiturnError as error:
        if error.code != "session_not_found":
            raise
        session = await client.post(path_of("sessions"), {"external_id": question.session, "stores": [store["id"]]})
    return replace(question, store=None if store["id"] in session["stores"] else store["id"])


def write_citations(citations: Sequence[Mapping[str, Any]]) -> list[str]:
    """What an answer rests on: a number, a title, a place, the words; below it the link that opens the place."""
    lines: list[str] = []
    for number in dict.fromkeys(citation["number"] for citation in citations):
        citation = next(one for one in citations if one["number"] == number)
        lines.append(f"[{number}] {describe_citation(citation)}")
        if citation.get("url"):
            lines.append(f"    {citation['url']}")
    return ["", *lines] if lines else []


def describe_citation(citation: Mapping[str, Any]) -> str:
    """A citation on one line."""
    quote = " ".join(citation["quote"].split())
    if len(quote) > QUOTE_CHARS_MAX:
        quote = f"{quote[:QUOTE_CHARS_MAX]}…"
    parts = [citation["title"], describe_place(citation.get("place") or {}), f"“{quote}”" if quote else ""]
    return " · ".join(part for part in parts if part)


def describe_place(place: Mapping[str, Any]) -> str:
    """Where in its file a citation lies; empty when it is the file as a whole."""
    if place.get("start_s") is not None:
        return f"{write_time(place['start_s'])}–{write_time(place.get('end_s') or place['start_s'])}"
    if place.get("page") is not None:
        return f"page {place['page']}"
    return str(place.get("heading") or "")


def write_time(seconds: float) -> str:
    """Seconds as a player shows them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
