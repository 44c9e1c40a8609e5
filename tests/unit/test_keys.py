"""Keys: who is let in, for how long it is remembered, and what a secret leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from multiturn.engine.keys import REMEMBER, Keys, NewKey, require_admin
from multiturn.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from multiturn.model.ids import new_id
from multiturn.model.tenant import DEFAULT_TENANT, OPERATOR
from multiturn.store.keys import SqlKeyStore
from multiturn.store.sqlite import SqliteDatabase


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def keys(tmp_path: Path, clock: HandClock) -> AsyncIterator[Keys]:
    database = SqliteDatabase(tmp_path / "keys.db")
    await database.migrate()
    yield Keys(SqlKeyStore(database), clock)
    await database.close()


@pytest.mark.parametrize("secret", [None, "", "wrong"])
async def test_without_a_good_key_nobody_enters(keys: Keys, secret: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await keys.authenticate(secret)


async def test_new_key_opens_its_tenant(keys: Keys) -> None:
    key, secret = await keys.make(NewKey(tenant="north", label="ci"))
    caller = await keys.authenticate(secret)
    assert (caller.tenant_id, caller.user_id, caller.is_bound) == (key.tenant_id, key.user_id, False)


async def test_secret_is_not_stored(keys: Keys, tmp_path: Path) -> None:
    _, secret = await keys.make(NewKey())
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("keys.db*"))
    assert secret.encode() not in stored


async def test_keys_of_one_user_share_it(keys: Keys) -> None:
    first, _ = await keys.make(NewKey(user="u"))
    second, _ = await keys.make(NewKey(user="u"))
    other, _ = await keys.make(NewKey(user="v"))
    assert first.user_id == second.user_id != other.user_id
    assert first.is_bound


async def test_revoked_key_opens_nothing_more(keys: Keys) -> None:
    key, secret = await keys.make(NewKey())
    await keys.authenticate(secret)
    await keys.revoke(DEFAULT_TENANT, key.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await keys.authenticate(secret)


async def test_servers_that_start_together_share_a_key(keys: Keys) -> None:
    await asyncio.gather(*(keys.ensure("chosen") for _ in range(5)))
    assert len(await keys.list_keys(DEFAULT_TENANT)) == 1


async def test_unheard_revocation_counts_seconds_later(keys: Keys, clock: HandClock) -> None:
    key, secret = await keys.make(NewKey())
    await keys.authenticate(secret)
    await keys.store.revoke(key.tenant_id, key.id, clock.now)
    await keys.authenticate(secret)
    clock.now += REMEMBER + timedelta(milliseconds=1)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(secret)


async def test_only_some_keys_act_for_users(keys: Keys) -> None:
    _, plain = await keys.make(NewKey())
    _, acting = await keys.make(NewKey(scopes=("users",)))
    with pytest.raises(Forbidden):
        await keys.authenticate(plain, user="u")
    caller = await keys.authenticate(acting, user="u")
    again = await keys.authenticate(acting, user="u")
    assert caller == again
    assert caller.is_bound
    assert caller.user_id != (await keys.authenticate(acting)).user_id


async def test_admin_acts_for_users_too(keys: Keys) -> None:
    _, admin = await keys.make(NewKey(scopes=("admin",)))
    caller = await keys.authenticate(admin, user="u")
    assert caller.is_bound
    assert caller.user_id == await keys.find_user_id(caller.tenant_id, "u")


async def test_key_opens_nothing_after_its_end(keys: Keys, clock: HandClock) -> None:
    key, secret = await keys.make(NewKey(expires_at=clock.now + timedelta(seconds=2)))
    await keys.authenticate(secret)
    clock.now += timedelta(seconds=2)
    with pytest.raises(Unauthenticated, match="expired on 2026-01-01 at 00:00 UTC"):
        await keys.authenticate(secret)
    assert not key.is_good(clock.now)
    assert not await keys.has_keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": datetime(2025, 12, 31, tzinfo=UTC)},
        {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"scopes": ("jwt",), "user": "u"},
        {"scopes": ("jwt", "users")},
        {"scopes": ("jwt", "admin")},
    ],
)
async def test_key_that_makes_no_sense_is_not_made(keys: Keys, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        await keys.make(NewKey(**wrong))
    assert not await keys.has_keys()


async def test_use_of_a_key_is_written_once_a_minute(keys: Keys, clock: HandClock) -> None:
    key, secret = await keys.make(NewKey())
    written = []
    for _ in range(13):
        await keys.authenticate(secret)
        written.append(await keys.save_uses())
        clock.now += timedelta(seconds=10)
    assert written == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    assert (await keys.get_key(DEFAULT_TENANT, key.id)).used_at == clock.now - timedelta(seconds=10)


async def test_key_may_be_made_for_reading(keys: Keys) -> None:
    _, secret = await keys.make(NewKey(scopes=("read",)))
    assert not (await keys.authenticate(secret)).can_write


async def test_only_admins_manage_keys(keys: Keys) -> None:
    _, plain = await keys.make(NewKey())
    with pytest.raises(Forbidden):
        require_admin(await keys.authenticate(plain))
    _, admin = await keys.make(NewKey(scopes=OPERATOR))
    require_admin(await keys.authenticate(admin))


async def test_first_key_is_made_once(keys: Keys) -> None:
    assert not await keys.has_keys()
    await keys.ensure("chosen")
    await keys.ensure("chosen")
    assert len(await keys.list_keys(DEFAULT_TENANT)) == 1
    assert await keys.has_keys()


async def test_secret_of_a_key_is_not_taken_twice(keys: Keys) -> None:
    await keys.make(NewKey(), secret="same")
    with pytest.raises(InvalidRequest, match="already"):
        await keys.make(NewKey(tenant="other"), secret="same")


async def test_unknown_scope_names_the_known(keys: Keys) -> None:
    with pytest.raises(InvalidRequest, match="admin, users, read, jwt"):
        await keys.make(NewKey(scopes=("root",)))


async def test_keys_of_other_tenants_are_not_there(keys: Keys) -> None:
    key, _ = await keys.make(NewKey(tenant="north"))
    await keys.make(NewKey(tenant="south"))
    with pytest.raises(NotFound):
        await keys.revoke("south", key.id)
    with pytest.raises(NotFound):
        await keys.revoke("north", new_id())
    with pytest.raises(NotFound):
        await keys.list_keys("west")
