"""Logs: one JSON object a line, with ids, and nothing that a person said."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from multiturn.observe.logs import JsonFormatter, log_context


def write(record: logging.LogRecord) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return line


def make_record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("multiturn.test", logging.INFO, __file__, 1, message, args, None)
    for name, value in more.items():
        setattr(record, name, value)
    return record


@pytest.fixture
def request_context() -> Iterator[dict[str, str]]:
    context = {"request_id": "r1"}
    token = log_context.set(context)
    yield context
    log_context.reset(token)


def test_line_says_when_what_and_who() -> None:
    line = write(make_record("found %d", 3))
    assert (line["level"], line["logger"], line["message"]) == ("info", "multiturn.test", "found 3")
    assert line["time"].endswith("+00:00")


def test_line_carries_ids_of_its_request(request_context: dict[str, str]) -> None:
    request_context["session_id"] = "s1"
    line = write(make_record("x"))
    assert (line["request_id"], line["session_id"]) == ("r1", "s1")


def test_facts_stand_beside_the_message() -> None:
    assert write(make_record("x", facts={"status": 200}))["status"] == 200


def test_what_json_cannot_hold_is_written_as_text() -> None:
    assert write(make_record("x", facts={"path": sys}))["path"].startswith("<module")


def test_exception_is_in_the_line() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        record = make_record("failed")
        record.exc_info = sys.exc_info()
    assert "ValueError: no" in write(record)["exception"]
