"""Links and places as they leave the server, and the ids of Jockey's clients in any form."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from starlette.requests import Request

from multiturn.api.citations import list_citations, render_citation, render_place
from multiturn.api.jockey import names
from multiturn.api.media_links import absolute, seconds, write_fragment
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.citation import Citation
from multiturn.model.content import Content, Message, Reasoning
from multiturn.model.segment import Mark, Place

ID = UUID("01890000-0000-7000-8000-000000000001")


def make_request(host: str = "example.org:8443", scheme: str = "https") -> Request:
    headers = [(b"host", host.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "scheme": scheme, "headers": headers})


def make_citation(place: Place | None = None) -> Citation:
    """The citation of a spoken sentence."""
    return Citation(
        number=3,
        start=10,
        end=13,
        claim_start=0,
        claim_end=14,
        title="Harbour",
        quote="The ferry leaves.",
        store_id=ID,
        item_id=ID,
        asset_id=None,
        kind="video",
        modality="speech",
        place=place or Place(start_s=1.5, end_s=4.0, marks=(Mark(0, 1.5, 4.0),)),
        source_start=5,
        source_end=22,
    )


def test_path_is_made_absolute_by_the_host_that_was_asked() -> None:
    assert absolute(make_request(), "/media/x/file/a.mp4") == "https://example.org:8443/media/x/file/a.mp4"
    assert absolute(make_request("127.0.0.1:8000", "http"), "/media/x") == "http://127.0.0.1:8000/media/x"
    assert absolute(make_request(), "https://files.example/media/x") == "https://files.example/media/x"


@pytest.mark.parametrize(
    ("place", "fragment"),
    [
        (Place(), ""),
        (Place(page=4), "#page=4"),
        (Place(start_s=0.0), "#t=0"),
        (Place(start_s=12.5, end_s=31.0), "#t=12.5,31"),
        (Place(start_s=10.0, end_s=100.1264, page=2), "#t=10,100.126"),
        (Place(end_s=3.0), ""),
    ],
)
def test_fragment_opens_a_file_at_its_place(place: Place, fragment: str) -> None:
    assert write_fragment(place) == fragment


@pytest.mark.parametrize(("time_s", "told"), [(0, "0"), (10, "10"), (0.1, "0.1"), (2.50, "2.5"), (7200.0, "7200")])
def test_seconds_have_no_needless_zeros(time_s: float, told: str) -> None:
    assert seconds(time_s) == told


def test_citation_is_told_with_its_place_and_without_marks() -> None:
    body = render_citation(make_citation(), "https://example.org/media/x#t=1.5,4")
    assert (body.number, body.start, body.end, body.claim_start, body.claim_end) == (3, 10, 13, 0, 14)
    assert (body.store_id, body.item_id, body.asset_id) == (str(ID), str(ID), None)
    assert (body.place.start_s, body.place.end_s, body.place.page, body.place.shot) == (1.5, 4.0, None, None)
    assert (body.source_start, body.source_end, body.quote) == (5, 22, "The ferry leaves.")
    assert body.url == "https://example.org/media/x#t=1.5,4"
    assert render_citation(make_citation()).url is None


def test_place_of_a_page_has_its_heading() -> None:
    body = render_place(Place(page=2, heading="Ferries"))
    assert (body.page, body.heading, body.start_s) == (2, "Ferries", None)


def test_citations_are_those_of_all_messages() -> None:
    first, second = make_citation(), make_citation(Place(page=1))
    output: list[Content] = [
        Message("assistant", "One.", citations=(first,)),
        Reasoning("why"),
        Message("assistant", "Two."),
    ]
    assert list_citations(output) == [first]
    assert list_citations([*output, Message("assistant", "Three.", citations=(second,))]) == [first, second]
    assert list_citations([]) == []


@pytest.mark.parametrize(
    ("write", "prefix"),
    [
        (names.write_store, "ks_"),
        (names.write_item, "ksi_"),
        (names.write_collection, "ksic_"),
        (names.write_session, "sess_"),
        (names.write_response, "resp_"),
    ],
)
def test_id_is_written_behind_its_prefix_and_read_in_any_form(write: Callable[[UUID], str], prefix: str) -> None:
    assert write(ID) == f"{prefix}{ID}"
    for text in (write(ID), str(ID), ID.hex):
        assert names.read_path(text, "things") == ID
    assert names.read_given(write(ID), "thing", prefix=prefix) == ID
    with pytest.raises(InvalidRequest, match=f"begins with {prefix}"):
        names.read_given(str(ID), "thing", prefix=prefix)


def test_answers_of_a_session_are_counted_from_nought() -> None:
    assert names.write_message(ID, 1) == f"msg_sess_{ID}_0"


@pytest.mark.parametrize("text", ["", "nothing", "ks_", "ks_12", "x" * 500])
def test_what_is_no_id_is_told_in_short(text: str) -> None:
    with pytest.raises(NotFound) as missing:
        names.read_path(text, "knowledge-stores")
    assert "does not exist in knowledge-stores" in str(missing.value)
    with pytest.raises(InvalidRequest) as refused:
        names.read_given(text, "asset_id")
    assert refused.value.param == "asset_id"
    assert max(len(str(missing.value)), len(str(refused.value))) < 200
