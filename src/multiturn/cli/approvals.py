"""`multiturn approvals`: what waits for a person's word, and the word."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, UserOption, place_of
from multiturn.cli.reach import reach
from multiturn.cli.sessions import shorten
from multiturn.cli.tables import JsonOption, print_json, print_table, show_time

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run, as `approvals list` shows it.")]
CallArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[CALL]...", help="Ids of calls; all that wait in the run by default.")
]
ReasonOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; of a no, the model is told.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    approvals = typer.Typer(no_args_is_help=True)
    approvals.callback()(choose_user)
    approvals.command("list")(list_waiting)
    approvals.command("approve")(approve)
    approvals.command("deny")(deny)
    app.add_typer(approvals, name="approvals")


def choose_user(context: typer.Context, user: UserOption = None) -> None:
    """List calls of tools that wait for a person's word, and give it."""
    context.obj = place_of(context, user=user)


def list_waiting(context: typer.Context, json: JsonOption = False) -> None:
    """List the calls that wait, those that wait longest first. From `until` on nobody's word is a no.

    Exit codes: 0 done; 1 the server refused.
    """
    asyncio.run(print_waiting(place_of(context), as_json=json))


def approve(context: typer.Context, run: RunArgument, calls: CallArgument = None, reason: ReasonOption = None) -> None:
    """Let calls of a run happen. The run goes on when something was said of all its calls.

    Exit codes: 0 said; 1 there is no such run, or it does not wait.
    """
    asyncio.run(say(place_of(context), run, write_word(calls, approved=True, reason=reason)))


def deny(context: typer.Context, run: RunArgument, calls: CallArgument = None, reason: ReasonOption = None) -> None:
    """Let calls of a run not happen; the model is told, and answers without them.

    Exit codes: 0 said; 1 there is no such run, or it does not wait.
    """
    asyncio.run(say(place_of(context), run, write_word(calls, approved=False, reason=reason)))


def write_word(calls: list[str] | None, *, approved: bool, reason: str | None) -> dict[str, Any]:
    """A person's word as the API takes it."""
    word: dict[str, Any] = {"approved": approved} if reason is None else {"approved": approved, "reason": reason}
    return {"decisions": [{"call_id": call, **word} for call in calls]} if calls else word


async def print_waiting(place: Place, *, as_json: bool) -> None:
    """Print what waits."""
    async with reach(place) as client:
        waiting = await client.list_all(path_of("approvals"), cursor="cursor", most=None)
    if as_json:
        print_json(waiting)
        return
    rows = [
        (
            one["run"]["id"],
            call["call_id"],
            call["name"],
            shorten(call["arguments"]),
            show_time(one["asked_at"]),
            show_time(one["expires_at"]),
        )
        for one in waiting
        for call in one["data"]
    ]
    print_table(("run", "call", "tool", "arguments", "since", "until"), rows, empty="Nothing waits.")


async def say(place: Place, run: str, word: dict[str, Any]) -> None:
    """Give a person's word, and say what becomes of the run."""
    async with reach(place) as client:
        told = await client.post(path_of("runs", run, "approvals"), word)
    more = "It waits for a word about its other calls." if told["status"] == "waiting" else "It goes on."
    print(f"Run {told['id']}: said. {more}")
