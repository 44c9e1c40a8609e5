"""The outline of a PDF: its bookmarks, as headings at their pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

import pypdfium2 as pdfium

from multiturn.ingest.elements import Heading

BOOKMARKS_MAX = 20_000
BOOKMARKS_MIN = 2


class Outline:
    """The headings of each page, by its index. An outline of less than two is none."""

    def __init__(self, headings: Mapping[int, Sequence[Heading]]) -> None:
        self._headings = headings
        self.is_there = sum(map(len, headings.values())) >= BOOKMARKS_MIN

    @classmethod
    def read(cls, document: pdfium.PdfDocument) -> Outline:
        """Read the bookmarks; those that lead nowhere are left out."""
        headings: dict[int, list[Heading]] = defaultdict(list)
        try:
            for mark in islice(document.get_toc(), BOOKMARKS_MAX):
                target = mark.get_dest()
                index = target.get_index() if target else None
                if index is not None and (title := " ".join(mark.get_title().split())):
                    headings[index].append(Heading(mark.level + 1, title))
        except pdfium.PdfiumError:
            return cls({})
        return cls(headings)

    def list_headings(self, index: int) -> list[Heading]:
        """The headings of a page, in their order."""
        return list(self._headings.get(index, ())) if self.is_there else []
