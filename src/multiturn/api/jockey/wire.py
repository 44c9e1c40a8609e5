"""The shapes that Jockey's resources share: pages, metadata, times."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")
Time = Annotated[datetime, Meta(tz=True)]
Metadata = Annotated[
    dict[str, Any] | None,
    Meta(description="Keys with texts, numbers, truth values or lists of texts; they come back as they were sent."),
]


class JockeyPageInfoBody(Struct, kw_only=True, omit_defaults=True):
    """Which page this is, and of how many."""

    limit_per_page: int
    page: int
    total_page: Annotated[int | None, Meta(description="Left out where a listing does not count.")] = None
    total_results: int | None = None


class JockeyPageBody(Struct, Generic[T], kw_only=True):
    """A page of a listing. The page behind the last one is empty and no error."""

    data: list[T]
    page_info: JockeyPageInfoBody
