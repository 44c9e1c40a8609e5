"""Segments: what is stored of texts is what is read back, small and quick."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from multiturn.engine.search.segment import (
    ARRAYS,
    COUNT_MAX,
    Entry,
    IndexSegment,
    build_segment,
    decode_segment,
    with_vectors,
)
from multiturn.engine.search.terms import TermReader

READER = TermReader()
TEXTS = ["The cat sat on the mat", "A dog", "", "cat cat cat"]


def segment_of(texts: list[str]) -> IndexSegment:
    return build_segment([Entry(number, 0, len(text), text) for number, text in enumerate(texts, start=7)], READER)


def random_vectors(rows: int, dimensions: int = 16) -> NDArray[np.float32]:
    vectors = np.random.default_rng(3).normal(size=(rows, dimensions))
    lengths: NDArray[np.float64] = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return (vectors / lengths).astype(np.float32)


def assert_same(one: IndexSegment, other: IndexSegment) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(st.lists(st.text(), max_size=5))
def test_what_is_encoded_is_decoded(texts: list[str]) -> None:
    segment = segment_of(texts)
    assert_same(decode_segment(segment.encode()), segment)


def test_vectors_are_decoded_too() -> None:
    segment = with_vectors(segment_of(TEXTS), "m", random_vectors(4))
    decoded = decode_segment(segment.encode())
    assert segment.vectors is not None
    assert decoded.vectors is not None
    assert decoded.vectors.model == "m"
    np.testing.assert_array_equal(decoded.vectors.rows, segment.vectors.rows)
    np.testing.assert_array_equal(decoded.vectors.scales, segment.vectors.scales)


def test_empty_segment_survives() -> None:
    empty = with_vectors(segment_of([]), "m", random_vectors(0))
    assert len(decode_segment(empty.encode())) == 0


def test_entry_counts_its_terms() -> None:
    segment = segment_of(TEXTS)
    assert segment.numbers.tolist() == [7, 8, 9, 10]
    assert segment.lengths.tolist() == [3, 1, 0, 3]
    assert segment.widths.tolist() == [3, 1, 0, 1]
    assert segment.counts.tolist() == [1, 1, 1, 1, 3]


def test_marks_do_not_lengthen_an_entry() -> None:
    segment = build_segment([Entry(1, 0, 3, "cat", marked="Anna")], READER)
    assert segment.lengths.tolist() == [1]
    assert set(segment.terms.tolist()) == {*READER.read("cat"), *READER.read_marks("Anna")}


def test_counts_stop_at_what_a_byte_holds() -> None:
    assert segment_of(["cat " * 1000]).counts.tolist() == [COUNT_MAX]


def test_new_vectors_take_the_place_of_old() -> None:
    old = with_vectors(segment_of(TEXTS), "old", random_vectors(4))
    new = with_vectors(old, "new", random_vectors(4, 32))
    assert new.vectors is not None
    assert (new.vectors.model, new.vectors.rows.shape) == ("new", (4, 32))
    assert_same(new, old)


def test_vectors_have_to_fit_the_entries() -> None:
    with pytest.raises(ValueError, match="3 vectors for 4 entries"):
        with_vectors(segment_of(TEXTS), "m", random_vectors(3))


def test_eight_bits_keep_a_vector() -> None:
    vectors = random_vectors(50, 384)
    vectors[0] = 0
    packed = with_vectors(segment_of(["x"] * 50), "m", vectors).vectors
    assert packed is not None
    restored = packed.rows * packed.scales[:, None]
    assert np.abs(restored @ vectors.T - vectors @ vectors.T).max() < 0.01


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode([1, 2]), segment_of(TEXTS).encode()[:-9]])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="segment"):
        decode_segment(data)


def test_other_version_is_refused() -> None:
    fields = msgspec.msgpack.decode(segment_of(TEXTS).encode())
    with pytest.raises(ValueError, match="version 99"):
        decode_segment(msgspec.msgpack.encode([99, *fields[1:]]))


def test_turn_of_talk_is_stored_in_few_bytes() -> None:
    turn = "I went to a support group yesterday and it was so powerful to hear their stories of courage."
    segment = with_vectors(segment_of([turn] * 10), "m", random_vectors(10, 384))
    assert len(segment.encode()) / 10 < 500
