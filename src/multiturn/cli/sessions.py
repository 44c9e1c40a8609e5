"""`multiturn sessions`: what the server keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, UserOption, place_of
from multiturn.cli.reach import reach
from multiturn.cli.tables import JsonOption, print_json, print_table, show, show_time

TEXT_CHARS_MAX = 400

SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="The session: its id, or the id that the client chose.")
]
LimitOption = Annotated[int, typer.Option(min=1, metavar="NUMBER", help="How many to list, newest first.")]
AllOption = Annotated[bool, typer.Option("--all", help="List all of them, however many; goes before --limit.")]
BranchesOption = Annotated[bool, typer.Option("--branches", help="Those of branches that were left, too.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How to list: at most so many, or all, as a table or as JSON."""

    most: int | None
    as_json: bool


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    sessions = typer.Typer(no_args_is_help=True)
    sessions.callback()(choose_user)
    sessions.command("list")(list_sessions)
    sessions.command("show")(show_session)
    sessions.command("items")(list_items)
    sessions.command("runs")(list_runs)
    sessions.command("delete")(delete_session)
    app.add_typer(sessions, name="sessions")


def choose_user(context: typer.Context, user: UserOption = None) -> None:
    """Look at sessions, and delete them. Times are of this machine's zone; --json has them in UTC."""
    context.obj = place_of(context, user=user)


def list_sessions(
    context: typer.Context, limit: LimitOption = 20, every: AllOption = False, json: JsonOption = False
) -> None:
    """List sessions, newest first.

    Exit codes: 0 done; 1 the server refused.
    """
    asyncio.run(print_sessions(place_of(context), Listing(most=None if every else limit, as_json=json)))


def show_session(context: typer.Context, session: SessionArgument, json: JsonOption = False) -> None:
    """Show one session.

    Exit codes: 0 done; 1 there is no such session.
    """
    asyncio.run(print_session(place_of(context), session, as_json=json))


def list_items(
    context: typer.Context,
    session: SessionArgument,
    limit: LimitOption = 20,
    every: AllOption = False,
    branches: BranchesOption = False,
    json: JsonOption = False,
) -> None:
    """List the newest items of a session, oldest of them first; tokens are the server's own count.

    A table shortens a text after 400 characters; --json has it whole.

    Exit codes: 0 done; 1 there is no such session.
    """
    listing = Listing(most=None if every else limit, as_json=json)
    asyncio.run(print_items(place_of(context), session, listing, branch="all" if branches else "active"))


def list_runs(
    context: typer.Context,
    session: SessionArgument,
    limit: LimitOption = 20,
    every: AllOption = False,
    json: JsonOption = False,
) -> None:
    """List the runs of a session, newest first: each execution of a turn, with its tokens and how it ended.

    Exit codes: 0 done; 1 there is no such session.
    """
    asyncio.run(print_runs(place_of(context), session, Listing(most=None if every else limit, as_json=json)))


def delete_session(context: typer.Context, session: SessionArgument, yes: YesOption = False) -> None:
    """Delete a session with everything in it: items, runs and events. It cannot be had back.

    Exit codes: 0 deleted; 1 there is no such session, or the question was answered with no.
    """
    if not yes:
        typer.confirm(f"Delete the session {session} with everything in it?", abort=True)
    asyncio.run(drop_session(place_of(context), session))


async def print_sessions(place: Place, listing: Listing) -> None:
    """Print the newest sessions."""
    async with reach(place) as client:
        sessions = await client.list_all(path_of("sessions"), cursor="before", most=listing.most)
    if listing.as_json:
        print_json(sessions)
        return
    rows = [
        (one["id"], one["external_id"], one["items"], show_time(one["active_at"]), show_time(one["expires_at"]))
        for one in sessions
    ]
    print_table(("id", "client's id", "items", "last used", "expires"), rows, empty="No sessions.")


async def print_session(place: Place, name: str, *, as_json: bool) -> None:
    """Print one session."""
    async with reach(place) as client:
        session = await client.get(path_of("sessions", name))
    if as_json:
        print_json(session)
        return
    for field, value in session.items():
        if field != "object":
            text = show_time(value) if field.endswith("_at") else describe(value)
            print(f"{field:<15} {text}")


async def print_items(place: Place, name: str, listing: Listing, *, branch: str) -> None:
    """Print the newest items of a session."""
    async with reach(place) as client:
        path = path_of("sessions", name, "items")
        items = await client.list_all(path, cursor="cursor", most=listing.most, branch=branch)
    items.reverse()
    if listing.as_json:
        print_json(items)
        return
    rows = [(one["seq"], one.get("role") or one["type"], one["tokens"], shorten(read_text(one))) for one in items]
    print_table(("seq", "who", "tokens", "text"), rows, empty="No items.")


async def print_runs(place: Place, name: str, listing: Listing) -> None:
    """Print the newest runs of a session."""
    async with reach(place) as client:
        runs = await client.list_all(path_of("sessions", name, "runs"), cursor="cursor", most=listing.most)
    if listing.as_json:
        print_json(runs)
        return
    print_table(("id", "status", "model", "began", "in", "cached", "out", "error"), map(row_of, runs), empty="No runs.")


async def drop_session(place: Place, name: str) -> None:
    """Delete a session."""
    async with reach(place) as client:
        await client.delete(path_of("sessions", name))
    print(f"Session {name} is deleted.")


def row_of(run: Mapping[str, Any]) -> tuple[object, ...]:
    """A run as a row: tokens as the provider counted them."""
    usage = run["usage"] or {}
    counted = [usage.get(name) for name in ("input_tokens", "cached_tokens", "output_tokens")]
    error = run["error"]["message"] if run["error"] else None
    return run["id"], run["status"], run["model"], show_time(run["created_at"]), *counted, error


def read_text(item: Mapping[str, Any]) -> str:
    """What an item says, on one line where it can."""
    if item["type"] == "function_call":
        return f"{item['name']}({item['arguments']})"
    content = next((item[field] for field in ("content", "output", "text") if item.get(field) is not None), "")
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text") or f"[{part.get('type')}]") for part in content)


def shorten(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}…"


def describe(value: object) -> str:
    """A value of a session: instructions as their texts."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return "\n".join(shorten(read_text({"type": "message", **part})) for part in value) or "-"
    return show(value)
