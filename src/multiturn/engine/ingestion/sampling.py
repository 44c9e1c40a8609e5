"""What a model reads of an item: windows of its text, as many as it may read, evenly over its length."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.engine.ingestion.chunking import Placed

# A window and its answer fit into the smallest contexts of the models that are in use.
WINDOW_CHARACTERS, WINDOWS_MAX = 6000, 8


class Sample:
    """Windows of an item's text. A short item is in them whole."""

    def __init__(self, characters: int) -> None:
        self.characters = max(characters, 1)
        count = min(-(-self.characters // WINDOW_CHARACTERS), WINDOWS_MAX)
        self.texts: list[list[str]] = [[] for _ in range(count)]
        self.sizes = [0] * count

    def add(self, placed: Placed) -> None:
        """Read the next part."""
        window = min(placed.starts * len(self.texts) // self.characters, len(self.texts) - 1)
        left = WINDOW_CHARACTERS - self.sizes[window]
        if left > 0:
            text = placed.part.text[:left]
            self.texts[window].append(text)
            self.sizes[window] += len(text)

    def list_windows(self) -> Sequence[str]:
        """The windows that hold something, in their order."""
        return ["\n".join(texts) for texts in self.texts if texts]

    def write(self) -> str:
        """One window's worth of text, from all of them."""
        windows = self.list_windows()
        share = WINDOW_CHARACTERS // max(len(windows), 1)
        return "\n…\n".join(window[:share] for window in windows)
