"""Quotas, for keys with the scope ``admin``."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.admin.quotas_wire import (
    AllowanceBody,
    DeletedQuotaBody,
    QuotaBody,
    QuotaListBody,
    QuotaOrderBody,
    QuotaUsedBody,
    SpentBody,
)
from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_limit, read_struct
from multiturn.api.services import Services
from multiturn.engine.keys import require_admin
from multiturn.engine.quotas import Spent
from multiturn.engine.sessions import session_not_found
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.ids import find_id
from multiturn.model.quota import PERIODS, Allowance, Quota, QuotaKind, StoredQuota
from multiturn.model.session import SessionKey
from multiturn.model.tenant import DEFAULT_TENANT, Caller, Tenant
from multiturn.model.usage import Used

Word = Literal["tenant", "users", "sessions"]
KINDS: dict[str, QuotaKind] = {"tenant": "tenant", "users": "user", "sessions": "session"}
WORDS: dict[QuotaKind, Word] = {"tenant": "tenant", "user": "users", "session": "sessions"}


class Place(Struct, frozen=True):
    """Whose quota a path names: without a ``subject_id`` the tenant's, or that of each user or session."""

    tenant: Tenant
    kind: QuotaKind
    subject_id: UUID | None = None
    user: str | None = None


class QuotaRoutes:
    """Sets, reads and deletes quotas."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        each, one = f"{base}/quotas/{{kind}}", f"{base}/quotas/{{kind}}/{{subject_id}}"
        return [
            Route(f"{base}/quotas", self.list_quotas, methods=["GET"]),
            *(Route(path, self.get_quota, methods=["GET"]) for path in (each, one)),
            *(Route(path, self.set_quota, methods=["PUT"]) for path in (each, one)),
            *(Route(path, self.delete_quota, methods=["DELETE"]) for path in (each, one)),
        ]

    async def list_quotas(self, request: Request) -> Response:
        """List a tenant's quotas."""
        tenant = await self._find_tenant(request)
        limit = read_limit(request, default=100, maximum=1000)
        found = await self.services.quotas.store.list_quotas(tenant.id, after=read_after(request), limit=limit + 1)
        shown = found[:limit]
        return write_response(
            QuotaListBody(
                data=[render_quota(tenant, one) for one in shown],
                has_more=len(found) > limit,
                next=write_after(shown[-1]) if len(found) > limit else None,
            )
        )

    async def get_quota(self, request: Request) -> Response:
        """A quota, and what of it was used."""
        place = await self._find_place(request)
        quota = await self.services.quotas.store.find(place.tenant.id, place.kind, place.subject_id)
        if quota is None:
            raise quota_not_found()
        return await self._show(place, quota)

    async def set_quota(self, request: Request) -> Response:
        """Set a quota, instead of what was set."""
        place = await self._find_place(request)
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        quota = read_quota(place.kind, read_struct(body, QuotaOrderBody))
        await self.services.quotas.set(place.tenant.id, place.kind, place.subject_id, quota)
        return await self._show(place, quota)

    async def delete_quota(self, request: Request) -> Response:
        """Delete a quota."""
        place = await self._find_place(request)
        if not await self.services.quotas.delete(place.tenant.id, place.kind, place.subject_id):
            raise quota_not_found()
        return write_response(DeletedQuotaBody())

    async def _show(self, place: Place, quota: Quota) -> Response:
        stored = StoredQuota(kind=place.kind, subject_id=place.subject_id, quota=quota, user=place.user)
        body = render_quota(place.tenant, stored)
        if place.kind == "tenant" or place.subject_id:
            spent = await self.services.quotas.measure(place.tenant.id, place.kind, place.subject_id)
            body.used = render_spent(place.kind, spent)
        return write_response(body)

    async def _find_tenant(self, request: Request) -> Tenant:
        """The tenant that is asked about. Raises Forbidden, NotFound."""
        require_admin(await authenticate(self.services, request), "manage quotas")
        name = check_id(request.query_params.get("tenant", DEFAULT_TENANT), "tenant")
        return await self.services.keys.get_tenant(name)

    async def _find_place(self, request: Request) -> Place:
        """Whose quota it is. Raises Forbidden, NotFound."""
        tenant = await self._find_tenant(request)
        kind, name = KINDS.get(request.path_params["kind"]), request.path_params.get("subject_id")
        if kind is None or (kind == "tenant" and name):
            raise quota_not_found()
        if name is None:
            return Place(tenant, kind)
        caller = Caller(tenant_id=tenant.id, user_id=tenant.default_user_id, key_id=tenant.id)
        if kind == "user":
            user = await self.services.users.get(caller, name)
            return Place(tenant, kind, user.id, user.external_id)
        key = SessionKey(tenant_id=tenant.id, user_id=tenant.default_user_id, id=find_id(name), external_id=name)
        session = await self.services.quotas.sessions.find(key, self.services.quotas.clock())
        if session is None:
            raise session_not_found()
        return Place(tenant, kind, session.id)


def read_quota(kind: QuotaKind, body: QuotaOrderBody) -> Quota:
    """A quota that is to be set. Raises InvalidRequest."""
    given = {period: getattr(body, period) for period in ("day", "month", "life")}
    fitting = PERIODS[kind]
    for period, allowance in given.items():
        if allowance is not None and period not in fitting:
            known = " and ".join(f"'{name}'" for name in fitting)
            raise InvalidRequest(f"A quota of a {kind} has {known}; it has no '{period}'.", param=period)
    quota = Quota(**{period: msgspec.convert(a, Allowance, from_attributes=True) for period, a in given.items() if a})
    if not any(True for _, allowance in quota.allowances() for _ in allowance.limits()):
        text = f"The quota limits nothing: set 'turns', 'tokens' or 'cost_usd' of '{fitting[0]}', or delete it."
        raise InvalidRequest(text, param=fitting[0])
    return quota


def render_quota(tenant: Tenant, stored: StoredQuota) -> QuotaBody:
    """A quota."""
    periods: dict[str, Any] = {
        period: AllowanceBody(turns=of.turns, tokens=of.tokens, cost_usd=of.cost_usd)
        for period, of in stored.quota.allowances()
    }
    return QuotaBody(
        tenant=tenant.name,
        kind=WORDS[stored.kind],
        subject_id=str(stored.subject_id) if stored.subject_id else None,
        user=stored.user,
        **periods,
    )


def render_spent(kind: QuotaKind, spent: Spent) -> QuotaUsedBody:
    """What was used, in the periods that there are."""
    return QuotaUsedBody(**{period: render_used(getattr(spent, period)) for period in PERIODS[kind]})


def render_used(used: Used) -> SpentBody:
    """What was used."""
    return SpentBody(turns=used.turns, tokens=used.tokens, cost_usd=used.cost_usd)


def write_after(last: StoredQuota) -> str:
    """The place behind a quota, for the next page."""
    return f"{WORDS[last.kind]}/{last.subject_id or ''}"


def read_after(request: Request) -> tuple[QuotaKind, UUID | None] | None:
    """Where a page begins. Raises InvalidRequest."""
    text = request.query_params.get("after")
    if text is None:
        return None
    word, _, subject = text.partition("/")
    kind, subject_id = KINDS.get(word), find_id(subject)
    if kind is None or (subject and subject_id is None):
        raise InvalidRequest("'after' must be the 'next' of the page before.", param="after")
    return kind, subject_id


def quota_not_found() -> NotFound:
    """The error of a quota that is not there."""
    return NotFound("There is no such quota.", code="quota_not_found")
