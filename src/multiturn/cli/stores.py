"""`multiturn stores`: knowledge stores, and what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, place_of
from multiturn.cli.reach import reach
from multiturn.cli.sessions import AllOption, LimitOption, Listing, YesOption
from multiturn.cli.tables import JsonOption, print_json, print_table, show, show_time

StoreArgument = Annotated[str, typer.Argument(metavar="STORE", help="The store: its name or its id.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    stores = typer.Typer(no_args_is_help=True)
    stores.callback()(look_after_stores)
    stores.command("list")(list_stores)
    stores.command("show")(show_store)
    stores.command("items")(list_items)
    stores.command("delete")(delete_store)
    app.add_typer(stores, name="stores")


def look_after_stores() -> None:
    """Look at knowledge stores, and delete them. Times are of this machine's zone; --json has them in UTC."""


def list_stores(
    context: typer.Context, limit: LimitOption = 20, every: AllOption = False, json: JsonOption = False
) -> None:
    """List knowledge stores, newest first, with how many items are ready, at work and failed.

    Exit codes: 0 done; 1 the server refused.
    """
    asyncio.run(print_stores(place_of(context), Listing(most=None if every else limit, as_json=json)))


def show_store(context: typer.Context, store: StoreArgument, json: JsonOption = False) -> None:
    """Show one store.

    Exit codes: 0 done; 1 there is no such store.
    """
    asyncio.run(print_store(place_of(context), store, as_json=json))


def list_items(
    context: typer.Context,
    store: StoreArgument,
    limit: LimitOption = 20,
    every: AllOption = False,
    json: JsonOption = False,
) -> None:
    """List the items of a store, newest first: how far each is, and why one failed.

    Exit codes: 0 done; 1 there is no such store.
    """
    asyncio.run(print_items(place_of(context), store, Listing(most=None if every else limit, as_json=json)))


def delete_store(context: typer.Context, store: StoreArgument, yes: YesOption = False) -> None:
    """Delete a store with its items and their index. The files that were put in stay, as assets.

    Exit codes: 0 deleted; 1 there is no such store, or the question was answered with no.
    """
    if not yes:
        typer.confirm(f"Delete the store {store} with all its items?", abort=True)
    asyncio.run(drop_store(place_of(context), store))


async def print_stores(place: Place, listing: Listing) -> None:
    """Print the newest stores."""
    async with reach(place) as client:
        stores = await client.list_all(path_of("stores"), cursor="cursor", most=listing.most)
    if listing.as_json:
        print_json(stores)
        return
    rows = [(one["name"], one["id"], *count_items(one), one["chunks"], show_time(one["created_at"])) for one in stores]
    print_table(("name", "id", "ready", "at work", "failed", "pieces", "made"), rows, empty="No stores.")


async def print_store(place: Place, name: str, *, as_json: bool) -> None:
    """Print one store."""
    async with reach(place) as client:
        store = await client.get(path_of("stores", name))
    if as_json:
        print_json(store)
        return
    for field, value in store.items():
        if field != "object":
            text = show_time(value) if field.endswith("_at") else describe(value)
            print(f"{field:<15} {text}")


async def print_items(place: Place, name: str, listing: Listing) -> None:
    """Print the newest items of a store."""
    async with reach(place) as client:
        items = await client.list_all(path_of("stores", name, "items"), cursor="cursor", most=listing.most)
    if listing.as_json:
        print_json(items)
        return
    rows = [(one["title"], one["kind"], describe_status(one), one["chunks"], one["id"]) for one in items]
    print_table(("title", "kind", "status", "pieces", "id"), rows, empty="No items.")


async def drop_store(place: Place, name: str) -> None:
    """Delete a store."""
    async with reach(place) as client:
        store = await client.get(path_of("stores", name))
        await client.delete(path_of("stores", store["id"]))
    print(f"Store {store['name']} is deleted.")


def count_items(store: Mapping[str, Any]) -> tuple[int, int, int]:
    """How many items of a store are ready, at work or waiting, and failed."""
    counts: Mapping[str, int] = store["items"]
    at_work = sum(counts.get(status, 0) for status in ("queued", "pending", "processing"))
    return counts.get("ready", 0), at_work, counts.get("failed", 0)


def describe_status(item: Mapping[str, Any]) -> str:
    """How far an item is, or why it failed."""
    if item["status"] == "failed":
        return f"failed: {item['error']}"
    if item["status"] == "processing":
        return f"{item['step'] or 'processing'} {item['progress']} %"
    return str(item["status"])


def describe(value: object) -> str:
    """A value of a store: mappings as their pairs."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={show(part)}" for name, part in value.items()) or "-"
    return show(value)
