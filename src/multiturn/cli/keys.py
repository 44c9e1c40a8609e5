"""`multiturn keys`: who may use the server."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from multiturn.cli.client import path_of
from multiturn.cli.place import Place, place_of
from multiturn.cli.reach import reach
from multiturn.cli.tables import JsonOption, print_json, print_table, show_time
from multiturn.errors import InvalidRequest
from multiturn.model.tenant import DEFAULT_TENANT

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
        metavar="SCOPE",
        help="admin, users, read or jwt: see `multiturn keys --help`. May be given several times. None by default.",
    ),
]
ExpiresOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help="When it stops to open anything: 90d, 12h, a date or a time (2027-01-31). Never by default.",
    ),
]
KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of the key, as `keys list` shows it.")]

HELP = """List, make and revoke API keys. --key needs the scope 'admin'.

A key belongs to a tenant, which owns the data. With --user it belongs to one user of it, and sees that user's sessions
only; without, it sees all sessions of the tenant by their ids. Scopes say what else it may do, or may not:

\b
admin   manage keys and quotas, of every tenant, and what 'users' may
users   act for any user of its tenant, whom the header X-User-Id names
read    nothing but read and search
jwt     nothing by itself: beside the JWT of a user it names the tenant,
        so it may stand in a web page

A key without any takes turns, and reads and changes what it sees."""
COLUMNS = ("id", "key", "user", "label", "scopes", "made", "last used", "expires", "revoked")
UNITS = {"d": "days", "h": "hours", "m": "minutes"}
SPAN = re.compile(r"([1-9][0-9]{0,4})([dhm])", re.ASCII)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands = KeyCommands()
    keys = typer.Typer(no_args_is_help=True, help=HELP)
    keys.callback(help=HELP)(commands.enter)
    keys.command("list")(commands.list_keys)
    keys.command("make")(commands.make_key)
    keys.command("revoke")(commands.revoke_key)
    app.add_typer(keys, name="keys")


class KeyCommands:
    """The commands, for the server that the shared options name."""

    def __init__(self) -> None:
        self.place = Place()

    def enter(self, context: typer.Context) -> None:
        """Note which server is meant."""
        self.place = place_of(context)

    def list_keys(self, tenant: TenantOption = DEFAULT_TENANT, json: JsonOption = False) -> None:
        """List a tenant's keys, oldest first.

        Those that expired or were revoked are listed too. Secrets are not kept, and cannot be shown. When a key was
        last used is known to the minute.

        Exit codes: 0 done; 1 there is no such tenant, or the server refused.
        """
        asyncio.run(print_keys(self.place, tenant, as_json=json))

    def make_key(
        self,
        tenant: TenantOption = DEFAULT_TENANT,
        user: UserOption = None,
        label: LabelOption = "",
        scope: ScopeOption = None,
        expires: ExpiresOption = None,
        json: JsonOption = False,
    ) -> None:
        """Make a key, and print its secret this once.

        Its tenant and user are made where they are new. Standard output has the secret alone, so that
        KEY=$(multiturn keys make) works.

        Exit codes: 0 made; 1 the server refused, as for an unknown scope.
        """
        asked: dict[str, object] = {"tenant": tenant, "user": user, "label": label, "scopes": scope or []}
        asked["expires_at"] = read_end(expires, datetime.now(UTC)).isoformat() if expires else None
        asyncio.run(print_new_key(self.place, asked, as_json=json))

    def revoke_key(self, key_id: KeyArgument, tenant: TenantOption = DEFAULT_TENANT) -> None:
        """Revoke a key at once, on every server of the database.

        Exit codes: 0 revoked; 1 there is no such key, or it was revoked before.
        """
        asyncio.run(drop_key(self.place, key_id, tenant))


def read_end(text: str, now: datetime) -> datetime:
    """When a key ends: ``90d``, ``12h``, ``30m``, or a date or time of this machine's zone. Raises InvalidRequest."""
    if span := SPAN.fullmatch(text):
        return now + timedelta(**{UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"--expires must be like 90d, 12h or 2027-01-31; it is '{text}'.") from error


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
            key["user"],
            key["label"],
            key["scopes"],
            show_time(key["created_at"]),
            show_time(key["used_at"]),
            show_time(key["expires_at"]),
            show_time(key["revoked_at"]),
        )
        for key in keys
    ]
    print_table(
        ("id", "key", "user", "label", "scopes", "made", "last used", "expires", "revoked"), rows, empty="No keys."
    )


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
