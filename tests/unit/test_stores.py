"""What may be said of knowledge stores, and how items are read: outlines, and what stands around a place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from multiturn.api.files.store_files import write_content
from multiturn.api.files.wire import ContentPage
from multiturn.engine.item_reading import (
    EXCERPT_CHARS_MAX,
    SECTIONS_MAX,
    read_at_time,
    read_characters,
    read_outline,
    read_pages,
)
from multiturn.engine.ports_ingestion import PartStore
from multiturn.engine.store_rules import ITEM_RULES, STORE_RULES, MetadataRules, check_ingestion, check_pairs
from multiturn.engine.stores import find_title
from multiturn.errors import InvalidRequest
from multiturn.model.ids import new_id
from multiturn.model.segment import Modality, Place, Segment
from multiturn.model.store import StoreItem

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BRAND = {"type": "string", "description": "The brand"}


class Pages:
    """The text of one item, as a store of parts gives it."""

    def __init__(self, *parts: Segment) -> None:
        self.parts: list[tuple[int, Segment]] = []
        starts = 0
        for part in parts:
            self.parts.append((starts, part))
            starts += len(part.text) + 1

    async def list_parts(
        self, tenant_id: UUID, item_id: UUID, *, after: int = -1, limit: int = 1000, modality: Modality | None = None
    ) -> Sequence[tuple[int, Segment]]:
        return [one for one in self.parts if one[0] > after][:limit]

    async def list_parts_between(
        self, tenant_id: UUID, item_id: UUID, start_s: float, end_s: float, *, limit: int = 200
    ) -> Sequence[tuple[int, Segment]]:
        return [
            one for one in self.parts if (one[1].place.start_s or 0) < end_s and (one[1].place.end_s or 0) > start_s
        ][:limit]

    async def find_parts(
        self, tenant_id: UUID, places: Sequence[tuple[UUID, int]]
    ) -> Sequence[tuple[int, Segment] | None]:
        return [next((one for one in self.parts if one[0] <= at < one[0] + len(one[1].text)), None) for _, at in places]


def store_of(*parts: Segment) -> PartStore:
    return cast(PartStore, Pages(*parts))


def page(text: str, number: int, heading: str | None = None) -> Segment:
    return Segment(text=text, place=Place(page=number, heading=heading))


def said(text: str, start_s: float, end_s: float, shot: int | None = None) -> Segment:
    return Segment(text=text, modality="speech", place=Place(start_s=start_s, end_s=end_s, shot=shot))


ITEM = StoreItem(
    id=new_id(),
    tenant_id=new_id(),
    store_id=new_id(),
    asset_id=new_id(),
    kind="document",
    status="ready",
    created_at=NOW,
    updated_at=NOW,
    title="Trams",
)


@pytest.mark.parametrize(
    ("metadata", "rules", "param"),
    [
        ({str(number): 1 for number in range(11)}, STORE_RULES, "metadata"),
        ({"k" * 129: 1}, STORE_RULES, f"metadata.{'k' * 40}"),
        ({"": 1}, STORE_RULES, "metadata."),
        ({"a": "x" * 2049}, STORE_RULES, "metadata.a"),
        ({"a": ["x" * 8193]}, ITEM_RULES, "metadata.a"),
        ({"a": None}, STORE_RULES, "metadata.a"),
        ({"a": {"b": 1}}, STORE_RULES, "metadata.a"),
        ({"a": [1]}, STORE_RULES, "metadata.a"),
        ({"a": 2**53}, STORE_RULES, "metadata.a"),
    ],
)
def test_pairs_over_the_rules_are_named(metadata: dict[str, Any], rules: MetadataRules, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_pairs(metadata, rules)
    assert refused.value.param == param


def test_pairs_within_the_rules_pass() -> None:
    check_pairs({"a": "x", "b": 1, "c": 1.5, "d": True, "e": ["x", "y"], "f": [], "g": 1 - 2**53}, STORE_RULES)
    check_pairs({str(number): "x" * 8192 for number in range(50)}, ITEM_RULES)


def schema_of(**fields: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"brand": BRAND}, **fields}
    return {"enrichment_config": {"type": "json_schema", "json_schema": schema}}


@pytest.mark.parametrize("given", [None, {}, {"enrichment_config": None}, {"enrichment_config": {}}])
def test_nothing_to_extract_is_nothing(given: dict[str, Any] | None) -> None:
    assert check_ingestion(given) is None


def test_type_of_extraction_is_inferred() -> None:
    kept = check_ingestion({"enrichment_config": {"description": "Brands"}})
    assert kept == {"enrichment_config": {"type": "description", "description": "Brands"}}
    schema = schema_of()["enrichment_config"]["json_schema"]
    assert check_ingestion({"enrichment_config": {"json_schema": schema}}) == schema_of()


def test_schema_with_all_keywords_passes() -> None:
    inner = {"type": "object", "description": "d", "properties": {"n": {"type": "integer", "description": "d"}}}
    properties = {
        "brand": {**BRAND, "title": "t", "enum": ["a", "b"], "format": "date"},
        "list": {"type": "array", "description": "d", "items": inner, "minItems": 0, "maxItems": 9},
        "bare": {"type": "array", "description": "d"},
        "pair": {"type": "array", "description": "d", "prefixItems": [{"type": "number", "minimum": 0, "maximum": 1}]},
    }
    wanted = schema_of(properties=properties, required=["brand"], additionalProperties=False)
    assert check_ingestion(wanted) == wanted


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"enrichment_config": "x"}, ""),
        ({"enrichment_config": {"type": "magic"}}, ".type"),
        ({"enrichment_config": {"type": "description"}}, ".description"),
        ({"enrichment_config": {"type": "description", "description": " "}}, ".description"),
        ({"enrichment_config": {"type": "json_schema"}}, ".json_schema"),
        (schema_of(type="array"), ".json_schema.type"),
        (schema_of(properties={}), ".json_schema.properties"),
        (schema_of(properties={"a": {"type": "string"}}), ".json_schema.properties.a"),
        (schema_of(properties={"a": {**BRAND, "pattern": "x"}}), ".json_schema.properties.a.pattern"),
        (schema_of(properties={"a": {**BRAND, "type": ["string", "null"]}}), ".json_schema.properties.a.type"),
        (schema_of(properties={"a": "string"}), ".json_schema.properties.a"),
        (schema_of(required=["model"]), ".json_schema.required"),
        (schema_of(anyOf=[]), ".json_schema.anyOf"),
        (schema_of(additionalProperties={}), ".json_schema.additionalProperties"),
    ],
)
def test_wrong_extraction_is_refused_by_place(given: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_ingestion(given)
    assert refused.value.code == "ingestion_config_invalid"
    assert refused.value.param == f"ingestion_config.enrichment_config{place}"


def test_schema_without_end_is_refused() -> None:
    deep: dict[str, Any] = dict(BRAND)
    for _ in range(50):
        deep = {"type": "object", "description": "d", "properties": {"a": deep}}
    with pytest.raises(InvalidRequest, match="nested deeper"):
        check_ingestion(schema_of(properties={"a": deep}))


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ({"title": " On  bees\n", "name": "n"}, "On bees"),
        ({"title": "", "name": "Bees"}, "Bees"),
        ({"title": 7}, None),
        ({"title": "On\r\nbees\u2028and\x85wasps\x9b"}, "On bees and wasps"),
        ({}, None),
        ({"title": "t" * 900}, "t" * 800),
    ],
)
def test_title_is_the_clients(metadata: dict[str, Any], title: str | None) -> None:
    assert find_title(metadata) == title


async def test_late_pages_of_a_long_item_are_read() -> None:
    long = store_of(*(page("x", number) for number in range(21_000)))
    assert [one.place.page for one in await read_pages(long, ITEM, 20_500, 20_501)] == [20_500, 20_501]


async def test_content_is_written_piece_by_piece() -> None:
    pages = store_of(*(page(f"Page {number}, " + "é" * 3000, number) for number in range(50)))
    written = [piece async for piece in write_content(pages, ITEM)]
    assert len(written) > 1
    content = msgspec.json.decode(b"".join(written), type=ContentPage)
    assert [one.text.split(",")[0] for one in content.data] == [f"Page {number}" for number in range(50)]
    assert msgspec.json.decode(b"".join([piece async for piece in write_content(store_of(), ITEM)]))["data"] == []


async def test_outline_tells_headings_and_pages() -> None:
    parts = store_of(
        page("Tram 28.", 1, "Trams"), page("Tram 15.", 1, "Trams"), page("Glória.", 2, "Funiculars"), page("End.", 3)
    )
    sections = (await read_outline(parts, ITEM)).sections
    assert [(one.label, one.start, one.end, one.place.page) for one in sections] == [
        ("Trams", 0, 17, 1),
        ("Funiculars", 18, 25, 2),
        ("End.", 26, 30, 3),
    ]


async def test_outline_tells_shots_and_minutes() -> None:
    shots = store_of(said("One.", 0, 9, 0), said("Two.", 9, 20, 1), said("Slide two.", 12, 18, 1))
    sections = (await read_outline(shots, ITEM)).sections
    assert [(one.label, one.place.start_s, one.place.end_s) for one in sections] == [("One.", 0, 9), ("Two.", 9, 20)]
    sound = store_of(*(said(f"Sentence {at}.", at, at + 10) for at in range(0, 150, 10)))
    assert [one.label for one in (await read_outline(sound, ITEM)).sections] == [
        "Sentence 0.",
        "Sentence 60.",
        "Sentence 120.",
    ]


async def test_outline_without_end_is_cut() -> None:
    outline = await read_outline(store_of(*(page("x", number) for number in range(SECTIONS_MAX + 5))), ITEM)
    assert (len(outline.sections), outline.is_complete) == (SECTIONS_MAX, False)


async def test_pages_and_times_are_read() -> None:
    pages = store_of(*(page(f"Page {number}.", number) for number in range(1, 6)))
    assert [one.text for one in await read_pages(pages, ITEM, 2, 3)] == ["Page 2.", "Page 3."]
    sound = store_of(*(said(f"At {at}.", at, at + 10) for at in range(0, 60, 10)))
    assert [one.text for one in await read_at_time(sound, ITEM, 15, 25)] == ["At 10.", "At 20."]
    assert await read_at_time(sound, ITEM, -9, 0) == ()


async def test_characters_are_read_to_the_letter() -> None:
    parts = store_of(page("Tram 28.", 1), page("Tram 15.", 1))
    found = await read_characters(parts, ITEM, 5, 13)
    assert [(one.start, one.end, one.text) for one in found] == [(5, 8, "28."), (9, 13, "Tram")]
    assert await read_characters(parts, ITEM, 100, 200) == ()


async def test_no_more_is_read_than_may_be() -> None:
    parts = store_of(*(page("x" * 900, number) for number in range(100)))
    found = await read_characters(parts, ITEM, 0, 10**9)
    assert sum(len(one.text) for one in found) == EXCERPT_CHARS_MAX
