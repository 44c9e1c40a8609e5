"""`multiturn keys`: who may use the server."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, place_of
from multiturn.cli.reach import reach
from multiturn.cli.tables import JsonOption, print_json, print_table, show_time
from multiturn.engine.keys import DEFAULT_TENANT

TenantOption = Annotated[str, typer.Option(metavar="NAME", help="Tenant that owns the key, and all data made with it.")]
UserOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="User that the key belongs to: it sees that user's sessions only. None by default."
    ),
]
LabelOption = Annotated[str, typer.Option(metavar="TEXT", help="What the key is for, shown in lists.")]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SCOPE", help="'admin' manages keys, 'users' acts for any user; may be given twice. None by default."
    ),
]
KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of the key, as `keys list` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(no_args_is_help=True, help="List, make and revoke API keys. --key needs the scope 'admin'.")
    keys.command("list")(list_keys)
    keys.command("make")(make_key)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys")


def list_keys(context: typer.Context, tenant: TenantOption = DEFAULT_TENANT, json: JsonOption = False) -> None:
    """List a tenant's keys, oldest first, those that were revoked too. Secrets are not kept, and cannot be shown.

    Exit codes: 0 done; 1 there is no such tenant, or the server refused.
    """
    asyncio.run(print_keys(place_of(context), tenant, as_json=json))


def make_key(
    context: typer.Context,
    tenant: TenantOption = DEFAULT_TENANT,
    user: UserOption = None,
    label: LabelOption = "",
    scope: ScopeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key, with its tenant and user where they are new, and print its secret: it is shown this once.

    Standard output has the secret alone, so that KEY=$(multiturn keys make) works.

    Exit codes: 0 made; 1 the server refused, as for an unknown scope.
    """
    asked: dict[str, object] = {"tenant": tenant, "user": user, "label": label, "scopes": scope or []}
    asyncio.run(print_new_key(place_of(context), asked, as_json=json))


def revoke_key(context: typer.Context, key_id: KeyArgument, tenant: TenantOption = DEFAULT_TENANT) -> None:
    """Revoke a key at once, on every server of the database.

    Exit codes: 0 revoked; 1 there is no such key, or it was revoked before.
    """
    asyncio.run(drop_key(place_of(context), key_id, tenant))


async def print_keys(place: Place, tenant: str, *, as_json: bool) -> None:
    """Print a tenant's keys."""
    async with reach(place) as client:
        keys = (await client.get(path_of("keys"), tenant=tenant))["data"]
    if as_json:
        print_json(keys)
        return
    rows = [
        (
            key["id"],
            key["hint"],
            key["label"],
            key["scopes"],
            show_time(key["created_at"]),
            show_time(key["revoked_at"]),
        )
        for key in keys
    ]
    print_table(("id", "key", "label", "scopes", "made", "revoked"), rows, empty="No keys.")


async def print_new_key(place: Place, asked: dict[str, object], *, as_json: bool) -> None:
    """Make a key and print it."""
    async with reach(place) as client:
        key = await client.post(path_of("keys"), asked)
    if as_json:
        print_json(key)
        return
    print(key["secret"])
    print(f"Key {key['id']} of tenant {key['tenant']}. Keep it: it is shown this once.", file=sys.stderr)


async def drop_key(place: Place, key_id: str, tenant: str) -> None:
    """Revoke a key."""
    async with reach(place) as client:
        await client.delete(path_of("keys", key_id), tenant=tenant)
    print(f"Key {key_id} is revoked.")
