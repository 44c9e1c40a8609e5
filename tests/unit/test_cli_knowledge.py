"""Commands over knowledge: which files are meant, and how a citation reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from multiturn.cli.ask import write_citations, write_time
from multiturn.cli.board import shorten
from multiturn.cli.files import digest_file, find_files
from multiturn.cli.ingest import read_pairs
from multiturn.errors import InvalidRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.MD", "deep/c.webm", "deep/x.exe", ".hidden.txt", ".git/config.txt", "unnamed"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def test_folder_is_everything_readable_below_it(folder: Path) -> None:
    found = find_files([str(folder)])
    assert names(found.files, folder) == ["a.MD", "b.txt", "deep/c.webm"]
    reasons = {str(path.relative_to(folder)): reason for path, reason in found.passed_over}
    assert reasons == {
        ".git": "hidden",
        ".hidden.txt": "hidden",
        "unnamed": "of a kind that is not read",
        "deep/x.exe": "of a kind that is not read",
    }


def test_file_named_by_itself_is_meant(folder: Path) -> None:
    found = find_files([str(folder / "deep/x.exe"), str(folder / ".hidden.txt")])
    assert names(found.files, folder) == ["deep/x.exe", ".hidden.txt"]


def test_patterns_are_expanded_and_nothing_is_meant_twice(folder: Path) -> None:
    found = find_files([str(folder / "**/*.webm"), str(folder / "deep"), str(folder / "*.txt")])
    assert names(found.files, folder) == ["deep/c.webm", "b.txt"]


@pytest.mark.parametrize("name", ["missing.txt", "*.nothing", ""])
def test_path_that_is_not_there_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        find_files([str(folder / "no" / name)])
    assert caught.value.param == "PATH"
    assert name in str(caught.value)


def test_loops_of_links_end(folder: Path) -> None:
    os.symlink(folder, folder / "deep" / "round")
    os.symlink(folder / "gone", folder / "dangling.txt")
    found = find_files([str(folder)])
    assert "deep/c.webm" in names(found.files, folder)
    assert (folder / "dangling.txt", "no file") in found.passed_over


def test_digest_is_of_the_content(folder: Path) -> None:
    (folder / "same").write_text("b.txt")
    assert digest_file(folder / "same") == digest_file(folder / "b.txt") != digest_file(folder / "a.MD")


def test_metadata_are_pairs() -> None:
    assert read_pairs(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for text in ("a", "=b", ""):
        with pytest.raises(InvalidRequest):
            read_pairs([text])


def test_long_names_keep_their_end() -> None:
    assert shorten("x" * 50 + "/talk.mp4").endswith("xx/talk.mp4")
    assert len(shorten("x" * 50)) == 40


def cite(number: int, title: str, quote: str, place: dict[str, Any], url: str | None = None) -> dict[str, Any]:
    said = {"number": number, "title": title, "quote": quote, "place": place}
    return said | ({"url": url} if url else {})


def test_citations_tell_title_place_words_and_link() -> None:
    tides = "http://s/a.webm#t=3.2,64.94"
    lines = write_citations(
        [
            cite(2, "Tides", "The Moon pulls\nthe water.", {"start_s": 3.2, "end_s": 64.94, "shot": 0}, tides),
            cite(1, "Guide", "x" * 200, {"page": 2, "heading": "Lights"}, "http://s/b.pdf#page=2"),
            cite(2, "Tides", "again", {"start_s": 9.0}, "http://s/a.webm#t=9"),
            cite(5, "Lights.csv", "49", {"heading": "Sheet 1"}),
            cite(7, "Whole", "", {}, "http://s/a.webm"),
        ]
    )
    assert lines == [
        "",
        "[2] Tides · 0:03–1:04 · “The Moon pulls the water.”",
        "    http://s/a.webm#t=3.2,64.94",
        f"[1] Guide · page 2 · “{'x' * 120}…”",
        "    http://s/b.pdf#page=2",
        "[5] Lights.csv · Sheet 1 · “49”",
        "[7] Whole",
        "    http://s/a.webm",
    ]
    assert write_citations([]) == []


def test_times_are_as_players_show_them() -> None:
    assert [write_time(seconds) for seconds in (0.0, 59.99, 60.0, 3599.0, 3661.5)] == [
        "0:00",
        "0:59",
        "1:00",
        "59:59",
        "1:01:01",
    ]
