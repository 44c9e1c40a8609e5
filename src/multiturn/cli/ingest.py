"""`multiturn ingest`: files into a knowledge store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from msgspec import Struct

from multiturn.cli.announcement import find_announcement
from multiturn.cli.board import Board
from multiturn.cli.client import Client, path_of, read_json
from multiturn.cli.files import digest_file, find_files
from multiturn.cli.place import Place, place_of
from multiturn.cli.reach import reach
from multiturn.cli.tables import CONTROLS
from multiturn.cli.watching import Watch
from multiturn.errors import InvalidRequest, MultiturnError

PIECE_BYTES = 256 * 1024
AT_WORK_MAX = 8
SENDING_MAX = 2
UNREACHABLE = "server_unreachable"
EXIT_INTERRUPTED = 130

PathsArgument = Annotated[
    list[str], typer.Argument(metavar="PATH…", help="Files, folders with everything below them, or patterns.")
]
StoreOption = Annotated[
    str, typer.Option("--store", metavar="NAME", help="The store, by its name or id; made when there is none.")
]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="KEY=VALUE", help="Goes with each new item; may be given several times."),
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until everything is indexed, or leave that to the server.")
]


class Order(Struct, frozen=True, kw_only=True):
    """What is to be put where; ``waits`` says whether it is waited for."""

    files: tuple[Path, ...]
    store: str
    metadata: dict[str, str]
    waits: bool


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ingest")(ingest)


def ingest(
    context: typer.Context,
    paths: PathsArgument,
    store: StoreOption,
    metadata: MetadataOption = None,
    wait: WaitOption = True,
) -> None:
    """Put files into a knowledge store, where `multiturn ask` and every API find them.

    A file that the server has already, by its content, is not sent again, and one that the store has is left as it
    is: after an interruption the same command goes on. A file that was changed is a new one; what stood in it before
    stays in the store until it is deleted. Hidden files of a folder, and those of kinds that are not read, are passed
    over.

    Exit codes: 0 all is there; 1 something could not be read or sent, the reason stands at the end; 130 interrupted.
    """
    found = find_files(paths)
    order = Order(files=found.files, store=store, metadata=read_pairs(metadata or []), waits=wait)
    with Board() as board:
        for path, reason in found.passed_over:
            board.end(str(path), f"passed over: {reason}")
        try:
            failures = asyncio.run(ingest_all(place_of(context), order, board))
        except KeyboardInterrupt:
            board.say("Interrupted. The same command goes on from here.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if failures:
        raise typer.Exit(1)


def read_pairs(texts: Sequence[str]) -> dict[str, str]:
    """Metadata of ``key=value``. Raises InvalidRequest."""
    pairs = [text.partition("=") for text in texts]
    for (name, equals, _), text in zip(pairs, texts, strict=True):
        if not (name and equals):
            raise InvalidRequest(f"--metadata must be KEY=VALUE; it is '{text}'.", param="--metadata")
    return {name: value for name, _, value in pairs}


async def ingest_all(place: Place, order: Order, board: Board) -> list[tuple[str, str]]:
    """Put files into a store; what failed, and why."""
    is_own = place.url is None and find_announcement(place.read_settings().data_dir) is None
    async with reach(place) as client:
        store = await open_store(client, order.store)
        # A server that the command started ends with it: nobody would go on.
        work = Work(client, store["id"], order, board, waits=order.waits or is_own)
        await work.take_all()
        work.tell(store["name"])
    return work.failures


async def open_store(client: Client, name: str) -> dict[str, Any]:
    """The store of a name or id; a new one where there is none."""
    try:
        found: dict[str, Any] = await client.get(path_of("stores", name))
    except MultiturnError as error:
        if error.code != "store_not_found":
            raise
        found = await client.post(path_of("stores"), {"name": name})
    return found


class Work:
    """Files on their way into a store, some at a time."""

    def __init__(self, client: Client, store_id: str, order: Order, board: Board, *, waits: bool) -> None:
        self.client = client
        self.store_id = store_id
        self.order = order
        self.board = board
        self.waits = waits
        self.left = iter(order.files)
        self.sending = asyncio.Semaphore(SENDING_MAX)
        self.counts = {"ready": 0, "there": 0, "queued": 0}
        self.failures: list[tuple[str, str]] = []
        self.names: dict[str, str] = {}
        self.watch = Watch(client, store_id, self._show)

    async def take_all(self) -> None:
        """Take every file. Raises MultiturnError when the server is gone, or the store."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self.watch.run())
                await asyncio.gather(*(group.create_task(self._take_some()) for _ in range(AT_WORK_MAX)))
                watching.cancel()
        except* MultiturnError as lost:
            raise lost.exceptions[0] from None

    async def _take_some(self) -> None:
        for path in self.left:
            try:
                await self._take(path)
            except OSError as error:
                self._fail(path, f"cannot be read: {error.strerror or error}")
            except MultiturnError as error:
                if error.code == UNREACHABLE:
                    raise
                self._fail(path, error.message)

    async def _take(self, path: Path) -> None:
        name = str(path)
        async with self.sending:
            self.board.show(name, 0.0, "looking whether it is there")
            found = await self._find(path)
            asset = found or await self._send(path)
        asset = await self._wait_probed(name, asset, is_new=found is None)
        body = {"asset_id": asset["id"], "metadata": self.order.metadata}
        item = await self.client.post(path_of("stores", self.store_id, "items"), body)
        if item["status"] == "ready":
            self._end(name, "there", "there already")
            return
        if self.waits:
            item = await self._wait_indexed(name, item)
        if item["status"] == "failed":
            raise MultiturnError(item["error"] or "It could not be indexed.")
        remarks = "".join(f"\n  {note}" for note in item.get("notes") or ())
        is_ready = item["status"] == "ready"
        self._end(name, "ready" if is_ready else "queued", f"{item['status']}{remarks}")

    async def _find(self, path: Path) -> dict[str, Any] | None:
        """The asset that has this content, unless it failed."""
        digest = await asyncio.to_thread(digest_file, path)
        found = await self.client.get(path_of("assets"), digest=digest, limit=1)
        return next((asset for asset in found["data"] if asset["status"] != "failed"), None)

    async def _send(self, path: Path) -> dict[str, Any]:
        with aiohttp.MultipartWriter("form-data") as form:
            part = form.append(self._read(path), {"Content-Type": "application/octet-stream"})
            filename = path.name.translate(CONTROLS).replace('"', "'").replace("\\", "_")
            part.set_content_disposition("form-data", quote_fields=False, name="file", filename=filename)
            async with self.client.open("POST", path_of("assets"), data=form) as answer:
                asset: dict[str, Any] = read_json(await answer.read())
        return asset

    async def _read(self, path: Path) -> AsyncGenerator[bytes]:
        with path.open("rb") as file:
            total = max(1, os.fstat(file.fileno()).st_size)
            while piece := file.read(PIECE_BYTES):
                yield piece
                self.board.show(str(path), file.tell() / total, "sending")

    async def _wait_probed(self, name: str, asset: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
        """Wait until it is known what the file is.

        Raises MultiturnError with the reason when it cannot be read: then it is taken off the server again, else each
        try would leave another copy there.
        """
        self.board.show(name, 1.0, "looking what it is")
        asset = await self.watch.wait_asset(asset)
        if asset["status"] == "failed":
            if is_new:
                await self.client.delete(path_of("assets", asset["id"]))
            raise MultiturnError(asset["error"] or "It cannot be read.")
        return asset

    async def _wait_indexed(self, name: str, item: dict[str, Any]) -> dict[str, Any]:
        self.names[item["id"]] = name
        self._show(item)
        return await self.watch.wait_item(item)

    def _show(self, item: Mapping[str, Any]) -> None:
        doing = item.get("error") or item.get("step") or item["status"]
        self.board.show(self.names[item["id"]], (item.get("progress") or 0) / 100, doing)

    def _end(self, name: str, outcome: str, text: str) -> None:
        self.counts[outcome] += 1
        self.board.end(name, text)

    def _fail(self, path: Path, reason: str) -> None:
        self.failures.append((str(path), reason))
        self.board.end(str(path), f"failed: {reason}", failed=True)

    def tell(self, store: str) -> None:
        """Say what came of it all, failures last."""
        words = {"ready": "indexed", "there": "there already", "queued": "waiting to be indexed"}
        parts = [f"{count} {words[outcome]}" for outcome, count in self.counts.items() if count]
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        self.board.say(f"Store {store}: {', '.join(parts) or 'no files'}.")
        for name, reason in self.failures if len(self.order.files) > AT_WORK_MAX else ():
            self.board.end(name, f"failed: {reason}", failed=True)
