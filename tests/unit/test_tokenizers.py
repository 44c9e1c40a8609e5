"""Tokens are counted by the model's own tokenizer where there is one, and nobody waits for a long text."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.pre_tokenizers import Split, WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from multiturn.errors import SettingsError
from multiturn.upstream.openai_tokens import find_encoding
from multiturn.upstream.tokenizers import PIECE_CHARS, RECENT_MAX, Tokenizers, cut_text

HAS_OPENAI = importlib.util.find_spec("bpe_openai") is not None


def write_tokenizer(folder: Path, *, by_letter: bool = False) -> str:
    """Write a tokenizer file whose tokens are words, or letters; it would truncate, pad, and frame what it reads."""
    tokenizer = Tokenizer(WordLevel({"[x]": 0}, unk_token="[x]"))
    steps = [WhitespaceSplit(), Split("", "isolated")] if by_letter else [WhitespaceSplit()]
    tokenizer.pre_tokenizer = Steps(steps)
    tokenizer.post_processor = TemplateProcessing(single="[x] $A [x]", special_tokens=[("[x]", 0)])
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    path = folder / f"tokenizer-{by_letter}.json"
    tokenizer.save(str(path))
    return str(path)


class LengthCounter:
    """Counts a token a character, and remembers what it was asked; None when it has no time."""

    def __init__(self, *, has_time: bool = True) -> None:
        self.has_time = has_time
        self.asked: list[list[str]] = []

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        self.asked.append(list(texts))
        return [len(text) for text in texts] if self.has_time else None


async def test_file_counts_words_without_frames(tmp_path: Path) -> None:
    tokenizers = Tokenizers({"qwen3": write_tokenizer(tmp_path)})
    assert await tokenizers.count("qwen3", ["one two three four five six", "", "one"]) == [6, 0, 1]
    assert await tokenizers.count("qwen3", []) == []


async def test_longest_beginning_of_a_name_wins(tmp_path: Path) -> None:
    tokenizers = Tokenizers({"qwen": write_tokenizer(tmp_path), "qwen3-4b": write_tokenizer(tmp_path, by_letter=True)})
    assert await tokenizers.count("qwen3-4b-instruct", ["ab cd"]) == [4]
    assert await tokenizers.count("qwen3-8b", ["ab cd"]) == [2]


async def test_alias_counts_as_its_model(tmp_path: Path) -> None:
    tokenizers = Tokenizers({"qwen3": write_tokenizer(tmp_path)}, aliases={"gpt-4o": "qwen3-32b"})
    assert await tokenizers.count("gpt-4o", ["one two"]) == [2]


async def test_unknown_model_has_no_tokenizer(tmp_path: Path) -> None:
    tokenizers = Tokenizers({"qwen3": write_tokenizer(tmp_path)})
    assert await tokenizers.count("mistral", ["one"]) is None


@pytest.mark.parametrize("text", ["broken \ud800 text", "Größe 日本語", "a\x00b c"])
async def test_odd_text_is_counted(tmp_path: Path, text: str) -> None:
    counts = await Tokenizers({"": write_tokenizer(tmp_path)}).count("any", [text])
    assert counts == [len(text.split())]


async def test_long_text_is_counted_whole_in_pieces(tmp_path: Path) -> None:
    tokenizers, beats = Tokenizers({"m": write_tokenizer(tmp_path)}), 0
    counting = asyncio.create_task(tokenizers.count("m", ["word " * 50_000]))
    while not counting.done():
        await asyncio.sleep(0)
        beats += 1
    assert await counting == [50_000]
    assert beats > 250_000 // PIECE_CHARS


@pytest.mark.parametrize("text", ["", "a b", "word " * 5000, "x" * 10_000, " " * 10_000, "a" * 4095 + " b" * 4000])
def test_pieces_are_the_text(text: str) -> None:
    pieces = list(cut_text(text))
    assert "".join(pieces) == text
    assert all(len(piece) <= PIECE_CHARS for piece in pieces)
    assert len(pieces) == 1 or all(pieces)


async def test_embedded_model_answers_every_name(tmp_path: Path) -> None:
    embedded = LengthCounter()
    tokenizers = Tokenizers({"qwen3": write_tokenizer(tmp_path)}, embedded=embedded)
    assert await tokenizers.count("gpt-4o", ["abc", "de"]) == [3, 2]
    assert await tokenizers.count("qwen3", ["abc"]) == [1]
    assert embedded.asked == [["abc", "de"]]


async def test_embedded_model_without_time_leaves_it_to_the_estimate() -> None:
    embedded = LengthCounter(has_time=False)
    tokenizers = Tokenizers({}, embedded=embedded)
    assert await tokenizers.count("any", ["abc"]) is None
    embedded.has_time = True
    assert await tokenizers.count("any", ["abc"]) == [3]


async def test_text_that_comes_again_is_not_counted_again() -> None:
    embedded = LengthCounter()
    tokenizers = Tokenizers({}, embedded=embedded)
    await tokenizers.count("m", ["instructions", "one"])
    assert await tokenizers.count("m", ["two!", "instructions"]) == [4, 12]
    assert embedded.asked[-1] == ["two!"]


async def test_oldest_counts_are_forgotten() -> None:
    embedded = LengthCounter()
    tokenizers = Tokenizers({}, embedded=embedded)
    texts = [str(number) for number in range(RECENT_MAX + 1)]
    assert await tokenizers.count("m", texts) == list(map(len, texts))
    await tokenizers.count("m", ["0", str(RECENT_MAX)])
    assert embedded.asked[-1] == ["0"]


@pytest.mark.parametrize("text", [None, "", "{}", "not JSON"])
def test_file_that_is_no_tokenizer_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "broken.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=r"MULTITURN_TOKENIZERS: .*broken\.json"):
        Tokenizers({"m": str(path)})


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5-nano", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("ft:gpt-4o-mini:acme", "o200k_base"),
        ("gpt-oss-120b", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-16k", "cl100k_base"),
        ("gpt2", None),
        ("o10", None),
        ("qwen3-32b", None),
        ("", None),
    ],
)
def test_name_tells_the_encoding(model: str, encoding: str | None) -> None:
    assert find_encoding(model) == encoding


@pytest.mark.skipif(HAS_OPENAI, reason="bpe-openai is installed")
async def test_openai_model_without_its_package_has_none() -> None:
    assert await Tokenizers({}).count("gpt-4o", ["hello"]) is None


@pytest.mark.skipif(not HAS_OPENAI, reason="needs bpe-openai, of multiturn[openai-tokens]")
@pytest.mark.filterwarnings("ignore:open_binary is deprecated")  # How the package reads its tables.
async def test_openai_models_have_their_encodings() -> None:
    tokenizers = Tokenizers({})
    texts = ["hello world", "<|endoftext|>", "日本語", "x" * 20_000, "word " * 400_000, "\ud800"]
    new, old = await tokenizers.count("gpt-4o", texts), await tokenizers.count("gpt-4", texts)
    assert new
    assert old
    assert (new[0], old[0]) == (2, 2)
    assert new[4] == pytest.approx(400_000, rel=0.001)
    assert await tokenizers.count("gpt-4o", ["hello world"] * 2) == [2, 2]
