"""Counts the tokens of a text with the tokenizer of its model, where this machine has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from multiturn.errors import SettingsError
from multiturn.upstream.openai_tokens import find_encoding, load_counter

PIECE_CHARS = 4096
"""So much is counted at once, within about a millisecond; then others have their turn."""
RECENT_MAX = 4096


class TokenCounter(Protocol):
    """Counts tokens as one model does."""

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """Count the tokens of each text; None where that does not work now."""
        ...


class Tokenizers:
    """The tokenizers of this machine: files of the user's own, the embedded model's, and OpenAI's.

    ``paths`` are tokenizer files by a model's name or how it begins, the longest such beginning first. Where there is
    an ``embedded`` model, it answers whatever name is asked for. ``aliases`` are other names for models. Raises
    SettingsError for a file that is no tokenizer.
    """

    def __init__(
        self,
        paths: Mapping[str, str],
        *,
        aliases: Mapping[str, str] | None = None,
        embedded: TokenCounter | None = None,
    ) -> None:
        own = {name: FileCounter(Path(path).expanduser()) for name, path in paths.items()}
        self._own = dict(sorted(own.items(), key=lambda entry: -len(entry[0])))
        self._aliases = aliases or {}
        self._embedded = embedded
        self._encodings: dict[str, TokenCounter | None] = {}
        self._loading = asyncio.Lock()
        self._recent = _Recent()

    async def count(self, model: str, texts: Sequence[str]) -> list[int] | None:
        """Count the tokens of each text as the model does, without any frame; None where no tokenizer is known.

        The first count for one of OpenAI's models loads its encoding, which takes half a second.
        """
        counter = await self._find(self._aliases.get(model, model))
        return await self._recent.count(counter, texts) if counter else None

    async def _find(self, model: str) -> TokenCounter | None:
        for name, counter in self._own.items():
            if model.startswith(name):
                return counter
        encoding = None if self._embedded else find_encoding(model)
        return await self._load(encoding) if encoding else self._embedded

    async def _load(self, encoding: str) -> TokenCounter | None:
        if encoding not in self._encodings:
            async with self._loading:
                if encoding not in self._encodings:
                    count = await load_counter(encoding)
                    self._encodings[encoding] = PieceCounter(count) if count else None
        return self._encodings[encoding]


class PieceCounter:
    """Counts with a function, a piece at a time, so that a long text keeps nobody waiting."""

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text."""
        return [await self._count_text(text) for text in texts]

    async def _count_text(self, text: str) -> int:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()
        if len(text) <= PIECE_CHARS:
            return self._count(text)
        tokens = 0
        for piece in cut_text(text):
            tokens += self._count(piece)
            await asyncio.sleep(0)
        return tokens


class FileCounter(PieceCounter):
    """Counts with a ``tokenizer.json``. Raises SettingsError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
        except Exception as error:  # The library raises nothing more exact.
            text = f"MULTITURN_TOKENIZERS: {path} cannot be read as a tokenizer.json: {error}"
            raise SettingsError(text) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        super().__init__(lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


def cut_text(text: str) -> Iterator[str]:
    """Cut a text into pieces, before spaces where there are any: tokens rarely reach over those."""
    start = 0
    while len(text) - start > PIECE_CHARS:
        end = text.rfind(" ", start + PIECE_CHARS // 2, start + PIECE_CHARS)
        end = start + PIECE_CHARS if end < 0 else end
        yield text[start:end]
        start = end
    yield text[start:]


class _Recent:
    """Remembers the counts of the last texts by their hashes: instructions come again with every turn."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, bytes], int] = {}

    async def count(self, counter: TokenCounter, texts: Sequence[str]) -> list[int] | None:
        keys = [(id(counter), _hash(text)) for text in texts]
        new = [place for place, key in enumerate(keys) if key not in self._counts]
        found = {place: self._counts[key] for place, key in enumerate(keys) if key in self._counts}
        if new:
            counts = await counter.count_tokens([texts[place] for place in new])
            if counts is None:
                return None
            found |= dict(zip(new, counts, strict=True))
            self._keep({keys[place]: found[place] for place in new})
        return [found[place] for place in range(len(texts))]

    def _keep(self, counts: Mapping[tuple[int, bytes], int]) -> None:
        self._counts |= counts
        while len(self._counts) > RECENT_MAX:
            del self._counts[next(iter(self._counts))]


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
