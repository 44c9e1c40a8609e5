"""The speech model is a folder: found whole or not at all, and fetched in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from multiturn.errors import ModelNotFound
from multiturn.upstream.catalogue import DEFAULTS, SPEECH_MODELS
from multiturn.upstream.model_files import ModelFiles
from multiturn.upstream.speech_model import SpeechModel, find_speech_model

NO_HUB = "http://127.0.0.1:9"


def fill(folder: Path, name: str = DEFAULTS["speech"], *, but: int = 0) -> None:
    """Write files under the names of a model's, without the last ``but`` of them."""
    files = next(model.files for model in SPEECH_MODELS if model.name == name)
    for file in files[: len(files) - but]:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(b"weights")


def make_files(root: Path) -> ModelFiles:
    return ModelFiles(root / "data", shared_dir=root / "shared", hub_url=NO_HUB)


def test_model_is_found_by_its_folder(tmp_path: Path) -> None:
    fill(tmp_path / "shared")
    assert find_speech_model(make_files(tmp_path)) == tmp_path / "shared" / "whisper-tiny.en"
    assert find_speech_model(make_files(tmp_path), "WHISPER-base") is None


def test_model_that_lacks_a_file_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "shared", but=1)
    assert find_speech_model(make_files(tmp_path)) is None


def test_model_in_two_folders_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "shared")
    (tmp_path / "data" / "models" / "whisper-tiny.en").mkdir(parents=True)
    (tmp_path / "data" / "models" / "whisper-tiny.en" / "config.json").write_bytes(b"{}")
    assert find_speech_model(make_files(tmp_path)) is None


def test_own_folder_is_a_model(tmp_path: Path) -> None:
    assert find_speech_model(make_files(tmp_path), str(tmp_path / "own")) is None
    fill(tmp_path)
    own = tmp_path / "whisper-tiny.en"
    assert find_speech_model(make_files(tmp_path), str(own)) == own


def test_unknown_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"whisper-tiny\.en, whisper-base"):
        SpeechModel(make_files(tmp_path), "whisper-enormous")


async def test_own_folder_is_ready_at_once(tmp_path: Path) -> None:
    fill(tmp_path)
    model = SpeechModel(make_files(tmp_path), str(tmp_path / "whisper-tiny.en"))
    assert model.find() is None
    await model.start()
    while model.state().state == "loading":
        await asyncio.sleep(0.01)
    assert (model.state().state, model.find()) == ("ready", tmp_path / "whisper-tiny.en")
    await model.close()


async def test_damaged_model_is_missing_and_says_why(tmp_path: Path) -> None:
    fill(tmp_path / "shared")
    model = SpeechModel(make_files(tmp_path))
    await model.start()
    while model.state().state != "missing":
        await asyncio.sleep(0.01)
    assert "sha256 differs" in model.state().detail
    assert model.find() is None
    await model.close()
