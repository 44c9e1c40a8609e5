"""`multiturn quotas`: how much tenants, users and sessions may use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from multiturn.cli.client import Client, path_of
from multiturn.cli.place import Place, place_of
from multiturn.cli.reach import reach
from multiturn.cli.tables import JsonOption, print_json, print_table
from multiturn.errors import InvalidRequest, MultiturnError
from multiturn.model.tenant import DEFAULT_TENANT

PERIODS = ("day", "month", "life")
MEASURES = ("turns", "tokens", "cost_usd")

HELP = """Limit what tenants, users and sessions may use. --key needs the scope 'admin'.

WHOSE is one of:

\b
tenant          all that the tenant uses together (when it is left out)
users           each user that has no quota of its own
user:NAME       one user, by its name or id
sessions        each session that has no quota of its own
session:ID      one session

Tenants and users have a quota for a day, for a month (both in UTC), or both; sessions have one for their whole life.
What is over it is refused with 429 until the day or month ends. Turns that run at the same time may go over it by what
they use together."""

TenantOption = Annotated[str, typer.Option(metavar="NAME", help="The tenant.")]
WhoseArgument = Annotated[
    str, typer.Argument(metavar="WHOSE", help="tenant, users, user:NAME, sessions or session:ID.", show_default=False)
]
PerOption = Annotated[
    str | None, typer.Option(metavar="PERIOD", help="day or month. A session's is for its life: leave it out.")
]
TurnsOption = Annotated[int | None, typer.Option(min=0, metavar="NUMBER", help="Turns that may be taken.")]
TokensOption = Annotated[int | None, typer.Option(min=0, metavar="NUMBER", help="Tokens, in and out.")]
CostOption = Annotated[float | None, typer.Option(min=0, metavar="DOLLARS", help="US dollars.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Whose quota is meant."""

    tenant: str
    path: str
    is_session: bool


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    commands = QuotaCommands()
    quotas = typer.Typer(no_args_is_help=True, help=HELP)
    quotas.callback(help=HELP)(commands.enter)
    quotas.command("list")(commands.list_quotas)
    quotas.command("show")(commands.show_quota)
    quotas.command("set")(commands.set_quota)
    quotas.command("remove")(commands.remove_quota)
    app.add_typer(quotas, name="quotas")


class QuotaCommands:
    """The commands, for the server that the shared options name."""

    def __init__(self) -> None:
        self.place = Place()

    def enter(self, context: typer.Context) -> None:
        """Note which server is meant."""
        self.place = place_of(context)

    def list_quotas(self, tenant: TenantOption = DEFAULT_TENANT, json: JsonOption = False) -> None:
        """List a tenant's quotas.

        Exit codes: 0 done; 1 there is no such tenant, or the server refused.
        """
        asyncio.run(print_quotas(self.place, tenant, as_json=json))

    def show_quota(
        self, whose: WhoseArgument = "tenant", tenant: TenantOption = DEFAULT_TENANT, json: JsonOption = False
    ) -> None:
        """Show one quota, and how much of it was used.

        Exit codes: 0 done; 1 there is none, or the server refused.
        """
        asyncio.run(print_quota(self.place, read_which(tenant, whose), as_json=json))

    def set_quota(
        self,
        whose: WhoseArgument = "tenant",
        tenant: TenantOption = DEFAULT_TENANT,
        per: PerOption = None,
        turns: TurnsOption = None,
        tokens: TokensOption = None,
        cost: CostOption = None,
    ) -> None:
        """Set how much may be used, at once. What is not named here stays as it is.

        Exit codes: 0 set; 1 there is no such user or session, or the server refused.
        """
        which = read_which(tenant, whose)
        limits = {name: value for name, value in zip(MEASURES, (turns, tokens, cost), strict=True) if value is not None}
        if not limits:
            raise InvalidRequest("Say how much: --turns, --tokens or --cost.")
        asyncio.run(change_quota(self.place, which, read_period(which, per), limits))

    def remove_quota(self, whose: WhoseArgument = "tenant", tenant: TenantOption = DEFAULT_TENANT) -> None:
        """Take a quota away: any amount may be used, unless another one says otherwise.

        Exit codes: 0 removed; 1 there is none, or the server refused.
        """
        asyncio.run(drop_quota(self.place, read_which(tenant, whose)))


def read_which(tenant: str, whose: str) -> Which:
    """Whose quota it is: ``tenant``, ``users``, ``user:NAME``, ``sessions``, ``session:ID``. Raises InvalidRequest."""
    kind, colon, name = whose.partition(":")
    if colon and name and kind in ("user", "session"):
        return Which(tenant=tenant, path=path_of("quotas", f"{kind}s", name), is_session=kind == "session")
    if whose not in ("tenant", "users", "sessions"):
        raise InvalidRequest(f"WHOSE is tenant, users, user:NAME, sessions or session:ID; it is '{whose}'.")
    return Which(tenant=tenant, path=path_of("quotas", whose), is_session=whose == "sessions")


def read_period(which: Which, per: str | None) -> str:
    """The period that a quota is for. Raises InvalidRequest."""
    if which.is_session:
        if per is not None:
            raise InvalidRequest("A session has one quota, for its whole life: leave --per out.")
        return "life"
    if per not in ("day", "month"):
        raise InvalidRequest("Say for how long: --per day or --per month.")
    return per


async def print_quotas(place: Place, tenant: str, *, as_json: bool) -> None:
    """Print a tenant's quotas."""
    async with reach(place) as client:
        quotas = await client.list_all(path_of("quotas"), cursor="after", most=None, tenant=tenant)
    if as_json:
        print_json(quotas)
        return
    rows = [
        (tell_whose(quota), period, *(show_amounts(quota[period])))
        for quota in quotas
        for period in PERIODS
        if quota[period]
    ]
    print_table(("of", "per", "turns", "tokens", "dollars"), rows, empty="No quotas: any amount may be used.")


async def print_quota(place: Place, which: Which, *, as_json: bool) -> None:
    """Print one quota with what was used of it."""
    async with reach(place) as client:
        quota = await client.get(which.path, tenant=which.tenant)
    if as_json:
        print_json(quota)
        return
    rows = []
    for period in PERIODS:
        if quota[period]:
            rows.append((tell_whose(quota), period, "may be used", *show_amounts(quota[period])))
            if quota["used"]:
                rows.append(("", "", "was used", *show_amounts(quota["used"][period])))
    print_table(("of", "per", "", "turns", "tokens", "dollars"), rows, empty="It limits nothing.")


async def change_quota(place: Place, which: Which, period: str, limits: dict[str, float]) -> None:
    """Set limits of a quota and leave the others."""
    async with reach(place) as client:
        before = await find_quota(client, which)
        wanted = {name: before[name] for name in PERIODS if before.get(name)}
        wanted[period] = {**(wanted.get(period) or {}), **limits}
        quota = await client.put(which.path, wanted, tenant=which.tenant)
    said = ", ".join(f"{MEASURE_WORDS[name]} {value:.15g}" for name, value in limits.items())
    print(f"Set for {tell_whose(quota)}, {PERIOD_WORDS[period]}: {said}.")


async def find_quota(client: Client, which: Which) -> dict[str, Any]:
    """A quota as it is set; nothing where there is none."""
    try:
        found: dict[str, Any] = await client.get(which.path, tenant=which.tenant)
    except MultiturnError as error:
        if error.code != "quota_not_found":
            raise
        return {}
    return found


async def drop_quota(place: Place, which: Which) -> None:
    """Delete a quota."""
    async with reach(place) as client:
        await client.delete(which.path, tenant=which.tenant)
    print("The quota is removed.")


PERIOD_WORDS = {"day": "a day", "month": "a month", "life": "in all its life"}
MEASURE_WORDS = {"turns": "turns", "tokens": "tokens", "cost_usd": "dollars"}


def tell_whose(quota: dict[str, Any]) -> str:
    """Whose quota it is, in words."""
    if quota["kind"] == "tenant":
        return f"tenant {quota['tenant']}"
    one = quota["kind"].removesuffix("s")
    return f"{one} {quota['user'] or quota['subject_id']}" if quota["subject_id"] else f"each {one}"


def show_amounts(amounts: dict[str, Any]) -> tuple[object, ...]:
    """Turns, tokens and dollars, without the tail of zeros."""
    return tuple(None if amounts[name] is None else f"{amounts[name]:.15g}" for name in MEASURES)
