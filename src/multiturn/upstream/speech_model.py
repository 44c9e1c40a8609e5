"""The speech model that comes with the server: its files are fetched in the background, and readers load them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from multiturn.errors import Unavailable
from multiturn.upstream.catalogue import SPEECH_MODELS, get_model
from multiturn.upstream.embedded import EmbeddedState, State
from multiturn.upstream.model_files import ModelFiles

log = logging.getLogger(__name__)

PULL_AGAIN_S = 300.0
"""A machine that cannot reach the model's files is not asked every moment."""


def find_speech_model(files: ModelFiles, name: str | None = None) -> Path | None:
    """Find the folder of a speech model, of the default one without a name; None when something of it is missing.

    A name with a slash is such a folder itself. Raises ModelNotFound.
    """
    name = name or files.read_default("speech")
    if "/" in name:
        folder = Path(name).expanduser()
        return folder if (folder / "model.bin").is_file() else None
    paths = files.find_all(get_model(name, SPEECH_MODELS).name)
    # Its files are loaded by their folder: a model that lies in two is none.
    return paths[0].parent if paths and len({path.parent for path in paths}) == 1 else None


class SpeechModel:
    """The files of one speech model, which are pulled and checked between ``start`` and ``close``; ``model`` is its
    name.
    """

    def __init__(self, files: ModelFiles, name: str | None = None) -> None:
        name = name or files.read_default("speech")
        self.model = name if "/" in name else get_model(name, SPEECH_MODELS).name
        self._files = files
        self._state: State = "loading"
        self._detail = ""
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to fetch what is missing, in the background."""
        self._keeper = asyncio.create_task(self._keep(), name="speech model")

    async def close(self) -> None:
        """End a pull that is under way; what came stays."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    def state(self) -> EmbeddedState:
        """Tell whether the model is there, or what is being done about it."""
        return EmbeddedState(name=self.model, state=self._state, detail=self._detail, queue_length=0)

    def find(self) -> Path | None:
        """The model's folder, once its files are there and right."""
        return find_speech_model(self._files, self.model) if self._state == "ready" else None

    async def _keep(self) -> None:
        while self._state != "ready":
            try:
                await self._fetch()
            except (Unavailable, OSError) as error:
                self._state, self._detail = "missing", str(error)
                log.warning("the speech model %s is not there: %s", self.model, error)
                await asyncio.sleep(PULL_AGAIN_S)

    async def _fetch(self) -> None:
        """Pull and check the files. Raises Unavailable with the reason."""
        if "/" not in self.model:
            if find_speech_model(self._files, self.model) is None:
                self._state = "pulling"
                log.info("the speech model %s is being downloaded", self.model)
            await self._files.pull(self.model, self._report)
        if find_speech_model(self._files, self.model) is None:
            raise Unavailable(f"There is no whole speech model {self.model}.", code="model_pull_failed")
        self._state, self._detail = "ready", ""

    def _report(self, done_bytes: int, total_bytes: int, what: str) -> None:
        self._detail = f"{done_bytes >> 20} of {total_bytes >> 20} MB ({what})"
