"""What OpenAI's clients send for vector stores, as the engine takes it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from multiturn.api.files.parse import PageOrder, check_chunking, read_filter, read_page, read_status
from multiturn.api.files.render import find_batch_status, render_attributes, render_counts
from multiturn.api.files.store_files import read_entries
from multiturn.api.files.vector_stores import sort, take
from multiturn.api.files.wire import BatchOrderBody, ChunkingBody, StoreFileOrderBody
from multiturn.errors import InvalidRequest
from multiturn.model.ids import new_id
from multiturn.model.metadata import Comparison, Compound


def asked(query: str) -> Request:
    """A request with these parameters."""
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": query.encode()})


def test_filter_is_read_as_it_is_nested() -> None:
    inner = {"type": "or", "filters": [{"type": "in", "key": "n", "value": [1, "x"]}]}
    wanted = {"type": "and", "filters": [{"type": "gte", "key": "year", "value": 2026}, inner]}
    assert read_filter(wanted) == Compound(
        op="and",
        filters=(
            Comparison(op="gte", key="year", value=2026),
            Compound(op="or", filters=(Comparison(op="in", key="n", value=(1, "x")),)),
        ),
    )
    assert read_filter(None) is None


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ({}, "filters.type"),
        ({"type": ["eq"]}, "filters.type"),
        ({"type": "eq", "value": 1}, "filters.key"),
        ({"type": "eq", "key": "", "value": 1}, "filters.key"),
        ({"type": "eq", "key": "n"}, "filters.value"),
        ({"type": "eq", "key": "n", "value": [1]}, "filters.value"),
        ({"type": "in", "key": "n", "value": 1}, "filters.value"),
        ({"type": "nin", "key": "n", "value": [None]}, "filters.value"),
        ({"type": "in", "key": "n", "value": list(range(101))}, "filters.value"),
        ({"type": "and"}, "filters.filters"),
        ({"type": "or", "filters": []}, "filters.filters"),
        ({"type": "or", "filters": ["x"]}, "filters.filters[0]"),
        ({"type": "or", "filters": [{"type": "eq", "key": 7}]}, "filters.filters[0].key"),
    ],
)
def test_wrong_filter_is_refused_by_place(wanted: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_filter(wanted)
    assert refused.value.param == place


def test_filter_without_end_is_refused() -> None:
    deep: dict[str, Any] = {"type": "eq", "key": "n", "value": 1}
    for _ in range(9):
        deep = {"type": "and", "filters": [deep]}
    with pytest.raises(InvalidRequest, match="at most 5 deep"):
        read_filter(deep)


def test_page_is_read_with_its_defaults() -> None:
    assert read_page(asked("")) == PageOrder(None, None, 20, True)
    assert read_page(asked("after=a&limit=7&order=asc")) == PageOrder("a", None, 7, False)
    assert read_page(asked("before=b"), limit=5) == PageOrder(None, "b", 5, True)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=a&before=b", "before"),
    ],
)
def test_wrong_page_is_refused(query: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_page(asked(query))
    assert refused.value.param == param


@pytest.mark.parametrize(("is_back", "newest_first"), [(False, True), (False, False), (True, True), (True, False)])
def test_page_in_front_is_read_backwards(is_back: bool, newest_first: bool) -> None:
    anchor = new_id()
    page = PageOrder(None if is_back else "x", "x" if is_back else None, 2, newest_first)
    sorting = sort(page, anchor)
    assert sorting.newest_first == (newest_first != is_back)
    assert (sorting.below, sorting.above) == ((anchor, None) if sorting.newest_first else (None, anchor))
    assert sorting.limit == 3
    assert take(page, (1, 2, 3)) == ([2, 1] if is_back else [1, 2])


def test_status_of_a_file_means_one_of_an_item() -> None:
    assert read_status(asked("")) is None
    assert read_status(asked("filter=in_progress")) == ("queued", "pending", "processing")
    assert read_status(asked("filter=cancelled")) == ()
    with pytest.raises(InvalidRequest, match="'filter' must be one of"):
        read_status(asked("filter=done"))


def test_files_of_a_batch_are_named_in_one_way() -> None:
    ids = read_entries(BatchOrderBody(file_ids=["a", "b"], attributes={"n": 1}))
    assert [(entry.asset, entry.metadata) for entry in ids] == [("a", {"n": 1}), ("b", {"n": 1})]
    files = [StoreFileOrderBody(file_id="a", attributes={"n": 1}), StoreFileOrderBody(file_id="b")]
    own = read_entries(BatchOrderBody(files=files, attributes={"n": 9}))
    assert [(entry.asset, entry.metadata) for entry in own] == [("a", {"n": 1}), ("b", {})]
    for body in (BatchOrderBody(), BatchOrderBody(file_ids=["a"], files=files)):
        with pytest.raises(InvalidRequest, match="either 'file_ids' or 'files'"):
            read_entries(body)


def test_our_way_of_cutting_is_the_only_one() -> None:
    check_chunking(None)
    check_chunking(ChunkingBody(type="auto"))
    with pytest.raises(InvalidRequest) as refused:
        check_chunking(ChunkingBody(type="static", static={"max_chunk_size_tokens": 800}))
    assert refused.value.code == "not_implemented"


def test_attributes_are_plain_and_few() -> None:
    metadata = {"a": "x", "b": [1], "c": None, "d": {"e": 1}, "f": True, "g": 1.5}
    assert render_attributes(metadata) == {"a": "x", "f": True, "g": 1.5}
    assert len(render_attributes({str(number): number for number in range(40)})) == 16


@pytest.mark.parametrize(
    ("items", "refused", "cancelled", "status"),
    [
        ({"ready": 2, "queued": 1}, 0, 0, "in_progress"),
        ({"ready": 2}, 1, 0, "completed"),
        ({"ready": 2}, 0, 1, "cancelled"),
        ({"failed": 1}, 1, 0, "failed"),
        ({}, 0, 0, "completed"),
    ],
)
def test_batch_is_as_far_as_its_files(items: Any, refused: int, cancelled: int, status: str) -> None:
    counts = render_counts(items, failed=refused, cancelled=cancelled)
    assert counts.total == sum(items.values()) + refused + cancelled
    assert find_batch_status(counts) == status
