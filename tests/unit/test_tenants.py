"""A tenant's policy is remembered, and forgotten when it changes; what metadata and policies of a body may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from multiturn.api.policy import OVERFLOW_NAMES, PolicyFields, read_policy, render_policy
from multiturn.engine.metadata import JSON_BYTES_MAX, check_object, check_text, merge
from multiturn.engine.tenants import REMEMBER, Tenants
from multiturn.errors import InvalidRequest
from multiturn.model.ids import new_id
from multiturn.model.policy import ContextPolicy, RecallOptions
from multiturn.model.tenant import Tenant

TENANT_ID = new_id()


class CountingStore:
    """A tenant's policy, and how often it was asked for; a reader may be made to wait."""

    def __init__(self) -> None:
        self.policy = ContextPolicy()
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, tenant_id: UUID) -> Tenant | None:
        return None

    async def find_policy(self, tenant_id: UUID) -> ContextPolicy:
        self.asked += 1
        policy = self.policy
        await self.gate.wait()
        return policy

    async def change_policy(
        self, tenant_id: UUID, change: Callable[[ContextPolicy], ContextPolicy]
    ) -> ContextPolicy | None:
        self.policy = change(self.policy)
        return self.policy


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tenants(store: CountingStore, clock: HandClock) -> Tenants:
    return Tenants(store, clock)


async def test_policy_is_asked_for_once(tenants: Tenants, store: CountingStore) -> None:
    for _ in range(3):
        assert await tenants.policy_of(TENANT_ID) == ContextPolicy()
    assert store.asked == 1


async def test_change_is_heard_at_once(tenants: Tenants, store: CountingStore) -> None:
    await tenants.policy_of(TENANT_ID)
    store.policy = ContextPolicy(overflow="error")
    tenants.hear_policy(TENANT_ID)
    assert await tenants.policy_of(TENANT_ID) == store.policy


async def test_change_that_was_not_heard_is_seen_later(
    tenants: Tenants, store: CountingStore, clock: HandClock
) -> None:
    await tenants.policy_of(TENANT_ID)
    store.policy = ContextPolicy(overflow="error")
    clock.now += REMEMBER + timedelta(seconds=1)
    assert await tenants.policy_of(TENANT_ID) == store.policy


async def test_what_changed_while_it_was_read_is_not_remembered(tenants: Tenants, store: CountingStore) -> None:
    store.gate.clear()
    reading = asyncio.create_task(tenants.policy_of(TENANT_ID))
    await asyncio.sleep(0)
    store.policy = ContextPolicy(overflow="error")
    tenants.hear_policy(TENANT_ID)
    store.gate.set()
    await reading
    assert await tenants.policy_of(TENANT_ID) == store.policy


# What a body says of a policy.


@pytest.mark.parametrize("name", OVERFLOW_NAMES)
def test_every_name_of_a_strategy_is_read(name: str) -> None:
    assert read_policy({"context_overflow": name}) == {"overflow": OVERFLOW_NAMES[name]}


def test_null_unsets_and_what_is_left_out_stays() -> None:
    assert read_policy({"token_budget": None, "recall": None}) == {"token_budget": None, "recall": None}
    assert read_policy(msgspec.json.decode(b"{}", type=PolicyFields)) == {}
    fields = msgspec.json.decode(b'{"recall_options": null, "recall_tokens": 0}', type=PolicyFields)
    assert read_policy(fields) == {"documents": None, "recall_tokens": 0}


def test_options_come_back_as_they_were_sent() -> None:
    sent: dict[str, Any] = {
        "mode": "vector",
        "limit": 3,
        "num_search_messages": 2,
        "max_query_length": 200,
        "confidence": -0.5,
        "alpha": 0.0,
        "mmr_strength": 0.9,
        "metadata_filter": {"a": [1]},
        "k_multiplier": 5,
        "lang": "en-US",
        "trigram_similarity_threshold": 0.4,
        "include_embeddings": False,
    }
    policy = ContextPolicy(**read_policy({"recall_options": sent}))
    assert policy.documents
    assert (policy.documents.messages, policy.documents.query_chars_max) == (2, 200)
    assert msgspec.to_builtins(render_policy(policy)["recall_options"]) == sent


def test_options_are_merged_into_a_base() -> None:
    base = RecallOptions(mode="text", limit=3, wire={"lang": "de", "k_multiplier": 2})
    read = read_policy({"recall_options": {"limit": 4, "lang": "en"}}, base=base)
    merged = RecallOptions(mode="text", limit=4, wire={"lang": "en", "k_multiplier": 2})
    assert read == {"documents": merged}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"context_overflow": "shrink"}, "context_overflow"),
        ({"context_overflow": ["truncate"]}, "context_overflow"),
        ({"token_budget": 0}, "token_budget"),
        ({"token_budget": True}, "token_budget"),
        ({"token_budget": 2**40}, "token_budget"),
        ({"recall": 1}, "recall"),
        ({"recall_tokens": -1}, "recall_tokens"),
        ({"recall_options": 5}, "recall_options"),
        ({"recall_options": {"limit": 51}}, "recall_options"),
        ({"recall_options": {"mmr_strength": 1}}, "recall_options"),
        ({"recall_options": {"metadata_filter": {"a": "x" * 20_000}}}, "recall_options.metadata_filter"),
    ],
)
def test_wrong_field_of_a_policy_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_policy(body)
    assert caught.value.param == param


# Metadata.


def test_metadata_are_merged_key_by_key() -> None:
    assert merge({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}, "e": 4}) == {"b": {"d": 3}, "e": 4}


@pytest.mark.parametrize("value", [{"a": "x" * JSON_BYTES_MAX}, {"a": "\0"}, {"a\0": 1}, {"a": ["\\\0"]}])
def test_metadata_that_cannot_be_kept_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="metadata"):
        check_object(value, "metadata")


def test_metadata_may_speak_of_nul() -> None:
    check_object({"a": "\\u0000", "b": "\\\\u0000"}, "metadata")


def test_text_may_hold_white_space_and_no_control() -> None:
    check_text("a\tb\r\nc\f", "about", chars_max=10)
    for text in ("\0", "\x1b", "\x7f", "x" * 11):
        with pytest.raises(InvalidRequest, match="about"):
            check_text(text, "about", chars_max=10)
