"""The example collection: put into a store beside a server that has started, and asked three questions."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from rich.console import Console

from multiturn.cli.ask import Question, open_store_session, put_question, write_citations
from multiturn.cli.board import Board
from multiturn.cli.client import CONNECT_S, Client, path_of
from multiturn.cli.files import find_files
from multiturn.cli.ingest import Order, Work, open_store
from multiturn.cli.progress import follow_model
from multiturn.cli.talk import Asked, Talk
from multiturn.errors import MultiturnError

STORE = "example"
SESSION = "example"
# Those of TwelveLabs' guide to conversations about videos.
QUESTIONS = (
    "What are the main themes in these videos?",
    "Which videos best represent the first theme?",
    "Give me timestamps for the key moments in those videos",
)
HINT = f'Ask the example collection yourself: multiturn ask --store {STORE} "When is the tide strongest?"'


async def show_example(url: str, key: str, folder: Path) -> None:
    """Put a folder into the store ``example`` of a running server and show three questions asked over it.

    Where there is such a store already, only how to ask it is shown.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}, timeout=timeout) as http:
        client = Client(http, url)
        try:
            with quiet_log():
                if not await is_there(client):
                    await fill(client, folder)
                    await ask_all(client)
        except MultiturnError as error:
            print(f"The example collection: {error.message}", flush=True)
        else:
            print(HINT, flush=True)


@contextmanager
def quiet_log() -> Generator[None]:
    """Keep the log's lines about the example's own requests off a terminal; a file or a pipe gets them all."""
    log = logging.getLogger("multiturn")
    level = log.level
    if sys.stderr.isatty():
        log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


async def is_there(client: Client) -> bool:
    """Whether the server has the example's store, and everything in it."""
    try:
        store = await client.get(path_of("stores", STORE))
    except MultiturnError as error:
        if error.code != "store_not_found":
            raise
        return False
    counts: dict[str, int] = store["items"]
    return 0 < counts["total"] == counts["ready"]


async def fill(client: Client, folder: Path) -> None:
    """Put the folder into the store. The bar of the model that is being fetched has the terminal for itself."""
    store = await open_store(client, STORE)
    order = Order(files=find_files([str(folder)]).files, store=STORE, metadata={}, waits=True)
    with Board(has_bars=False) as board:
        board.say(f"\nThe example collection goes into the store '{STORE}' beside the server ({folder}).")
        work = Work(client, store["id"], order, board, waits=True)
        await work.take_all()
        work.tell(STORE)


async def ask_all(client: Client) -> None:
    """Ask the three questions in one conversation, and print what was answered."""
    talk = Talk(client, Asked(session=SESSION))
    await follow_model(talk.read_state, Console(quiet=True), is_patient=True)
    for text in QUESTIONS:
        print(f"\n> {text}", flush=True)
        question = await open_store_session(client, Question(text=text, store=STORE, session=SESSION))
        answer = await put_question(client, question, None)
        print("\n".join([answer.get("text") or "", *write_citations(answer["citations"])]), flush=True)
    print(flush=True)
