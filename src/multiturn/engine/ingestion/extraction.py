"""Facts of an item, as its store's ingestion configuration asks for them: found window by window, put together, and
held to the schema.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from multiturn.engine.ports_ingestion import Extractor, PartStore
from multiturn.engine.structured.validation import validate
from multiturn.errors import UpstreamError
from multiturn.model.store import StoreItem

Facts = dict[str, Any]
ERRORS_SHOWN = 3
# What one item may have of a list, from all its windows.
LIST_MAX = 200


async def find_schema(parts: PartStore, extractor: Extractor, ingestion: Facts, item: StoreItem) -> Facts | None:
    """The schema that a store asks for: the client's, or the one that the model made once of its description; None
    where nothing is asked for. Raises what the extractor raises.
    """
    config = ingestion.get("enrichment_config") or {}
    schema = config.get("json_schema")
    if isinstance(schema, dict):
        return schema
    description = config.get("description")
    if not description:
        return None
    known = await parts.find_schema(item.tenant_id, item.store_id)
    if known is None:
        await parts.save_schema(item.tenant_id, item.store_id, await extractor.make_schema(description))
        # Of two workers that made one, the first counts.
        known = await parts.find_schema(item.tenant_id, item.store_id)
    return known


async def extract_facts(extractor: Extractor, schema: Facts, windows: Sequence[str]) -> Facts:
    """The facts in an item's windows, each of the type that the schema says; what it requires may be missing, for a
    model cannot find what an item does not say. Raises UpstreamError when they do not fit, and what the extractor
    raises.
    """
    partial = {key: value for key, value in schema.items() if key != "required"}
    facts: Facts = merge_facts([await extractor.extract(window, partial) for window in windows])
    validated = validate(msgspec.json.encode(facts).decode(), partial)
    if not validated.is_valid:
        wrong = "; ".join(validated.errors[:ERRORS_SHOWN])
        raise UpstreamError(f"What the model found does not fit the schema: {wrong}", code="schema_not_met")
    return facts


def merge_facts(found: Sequence[Facts]) -> Facts:
    """What several windows say, as one: lists behind one another without repeats, of other values the one that most
    windows say, the first of equals.
    """
    names = dict.fromkeys(name for facts in found for name in facts)
    merged = {name: merge_values([facts[name] for facts in found if name in facts]) for name in names}
    return {name: value for name, value in merged.items() if value not in (None, "")}


def merge_values(values: Sequence[Any]) -> Any:
    """Several values of one name, as one."""
    said = [value for value in values if value not in (None, "", [], {})]
    if not said:
        return values[0]
    if all(isinstance(value, list) for value in said):
        return list({write(entry): entry for value in said for entry in value}.values())[:LIST_MAX]
    if all(isinstance(value, Mapping) for value in said):
        return merge_facts(said)
    counted = Counter(write(value) for value in said)
    most = max(counted.values())
    return next(value for value in said if counted[write(value)] == most)


def write(value: Any) -> bytes:
    """A value as it is compared: a text in either case is the same."""
    return msgspec.json.encode(value.casefold() if isinstance(value, str) else value)
