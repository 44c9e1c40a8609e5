"""What the work on a job needs, and how it may end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from multiturn.engine.ports import Clock, Embedder
from multiturn.engine.ports_assets import AssetStore, Readers
from multiturn.engine.ports_ingestion import Describer, Extractor, JobStore, PartStore, StoreRegistry, Transcriber
from multiturn.errors import MultiturnError, RateLimited, Unavailable, UnreadableFile, UpstreamError
from multiturn.model.asset import Asset, Probe
from multiturn.observe import Metrics

# 1, 4, 16, 64, 256 seconds after the first, second … failure in a row.
BACK_OFF, BACK_OFF_MAX_S = 4, 300
# Reading a file that took too much memory takes as much the next time: once more is for what else the machine did.
MEMORY_CODE, MEMORY_TRIES = "reader_unavailable", 2
DEATHS_MAX = 10
# A model that is being fetched comes by itself; waiting for it is no failure.
WAITING_CODE, WAITING = "model_on_its_way", timedelta(seconds=10)


class Stopped(Exception):
    """The job was lost, or its subject is gone: nobody needs what else would be done."""


class Verdict(NamedTuple):
    """A job is to be tried again ``after`` a while; what happened ``counts`` as a try."""

    after: timedelta
    counts: bool = True


# Nothing can be said of a subject that could not be read; it is not forgotten.
LATER = Verdict(timedelta(seconds=BACK_OFF_MAX_S), counts=False)


class Work(Protocol):
    """What a job is done by."""

    async def run(self) -> None:
        """Do it. Raises Stopped, and what kept it from being done."""
        ...

    async def settle(self, error: Exception) -> Verdict | None:
        """Say of the subject why its work failed; None when it is not tried again."""
        ...


class AssetFiles(Protocol):
    """The files of assets, and what is made of them."""

    async def fetch(self, asset: Asset) -> Asset:
        """Fetch a file by its URL. Raises UnreadableFile, Unavailable."""
        ...

    def open_local(self, asset: Asset) -> AbstractAsyncContextManager[Path]:
        """The file as a path on this machine. Raises NotFound."""
        ...

    def check_size(self, asset: Asset, probe: Probe) -> None:
        """Raises UnreadableFile for a file that is too large for what it is."""
        ...

    async def save(self, asset: Asset) -> bool:
        """Store what is known of an asset; False when it is gone."""
        ...

    async def save_thumbnail(self, asset: Asset, jpeg: bytes) -> None:
        """Keep the thumbnail of an asset."""
        ...

    async def save_frame(self, asset: Asset, number: int, jpeg: bytes) -> None:
        """Keep the key frame of a shot, or the picture of a page."""
        ...

    async def save_hls(self, asset: Asset, folder: Path) -> None:
        """Keep the files that an asset is played from."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What jobs are done with. Without an embedder items are found by their words, without a describer pictures have
    no captions, and without a transcriber speech is read by the model of the reader processes: ``is_speech_coming``
    tells that it is being fetched.
    """

    jobs: JobStore
    parts: PartStore
    registry: StoreRegistry
    assets: AssetStore
    files: AssetFiles
    readers: Readers
    clock: Clock
    metrics: Metrics
    embedder: Embedder | None = None
    describer: Describer | None = None
    transcriber: Transcriber | None = None
    extractor: Extractor | None = None
    is_speech_coming: Callable[[], bool] = lambda: False
    tries_max: int = 5


def find_verdict(error: Exception, tries: int, tries_max: int) -> Verdict | None:
    """What becomes of a job that failed behind so many tries; None when another one would fail as well."""
    if not is_passing(error):
        return None
    code = error.code if isinstance(error, MultiturnError) else None
    if code == WAITING_CODE:
        return Verdict(WAITING, counts=False)
    if tries + 1 >= (min(MEMORY_TRIES, tries_max) if code == MEMORY_CODE else tries_max):
        return None
    return Verdict(timedelta(seconds=min(BACK_OFF**tries, BACK_OFF_MAX_S)))


def check_deaths(deaths: int) -> None:
    """Raises UnreadableFile for a job whose workers died at it, one after the other. They die for other reasons as a
    rule, since files are read in processes of their own: one that is to blame is given up late.
    """
    if deaths >= DEATHS_MAX:
        text = f"The server died {deaths} times in a row while it was at this file, which may be to blame for it."
        raise UnreadableFile(text)


def is_passing(error: Exception) -> bool:
    """Whether it may go well another time: something was away, or it is a bug that nobody foresaw."""
    return isinstance(error, Unavailable | UpstreamError | RateLimited) or not isinstance(error, MultiturnError)


def explain(error: Exception, what: str) -> str:
    """Why something failed, for a person; of a bug no more than where it is."""
    if isinstance(error, MultiturnError):
        return error.message
    return f"{what} failed for a reason that only the server's log tells ({type(error).__name__})."
