"""`multiturn chat`: a conversation in the terminal."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperOption

from multiturn.cli.background import Background, background
from multiturn.cli.place import UserOption, place_of
from multiturn.cli.progress import follow_model
from multiturn.cli.reach import reach
from multiturn.cli.screen import Screen
from multiturn.cli.sessions import read_text
from multiturn.cli.tables import show_time
from multiturn.cli.talk import CANCELLED, Asked, Piece, Talk
from multiturn.errors import MultiturnError, Unavailable

HELP = """\
/new [ID]   begin a new session, or go on in another one
/history    show what was said
/session    show the session's id and how much it holds
/forget     delete this session with everything in it
/help       show this
/quit       leave (or Ctrl-D)
A line that ends in \\ goes on in the next. Ctrl-C stops an answer; what was said so far is kept."""

SessionOption = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Session to go on with, or to begin under this id. A new one by default."),
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Model to ask; the server's default model by default.")
]
AgentOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Agent that answers, by its id or canonical name, from now on in this session."),
]
SystemOption = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Instructions for the model, kept with the session.")
]
NO_COLOR = "NO_COLOR"


class ChatCommand(TyperCommand):
    """The command, with an option that is about the terminal and not about the conversation."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        text = "Use no colours; NO_COLOR does the same."
        self.params.append(
            TyperOption(param_decls=["--no-color"], is_flag=True, expose_value=False, callback=note_colors, help=text)
        )


def note_colors(context: Any, _: Any, has_none: bool) -> None:
    """Note that no colours are wanted."""
    context.meta[NO_COLOR] = has_none


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chat", cls=ChatCommand)(chat)


def chat(
    context: typer.Context,
    session: SessionOption = None,
    model: ModelOption = None,
    agent: AgentOption = None,
    system: SystemOption = None,
    user: UserOption = None,
) -> None:
    """Talk with the model in this terminal; /help lists what else can be done there.

    The server keeps the conversation: `multiturn chat --session ID` goes on with it later, from anywhere. Where the
    input is no terminal, each line of it is a turn, and the answers are all that standard output gets.

    Exit codes: 0 you left; 1 the server cannot be reached, or, where the input is no terminal, a turn failed.
    """
    place = place_of(context, user=user)
    asked = Asked(session=session, model=model, system=system, agent=agent)
    has_no_colors = context.meta[NO_COLOR] or NO_COLOR in os.environ
    is_person = sys.stdin.isatty() and sys.stdout.isatty()
    screen = Screen(is_person=is_person, has_color=is_person and not has_no_colors)
    with background() as behind, behind.entered(reach(place, takes_turns=True)) as client:
        conversation = Conversation(behind, Talk(client, asked), screen)
        conversation.wait_for_model()
        is_good = conversation.converse() if is_person else conversation.read_lines()
    if not is_good:
        raise typer.Exit(1)


class Conversation:
    """What a person at the terminal, or a pipe, says to a session, and what comes back."""

    def __init__(self, behind: Background, talk: Talk, screen: Screen) -> None:
        self.behind = behind
        self.talk = talk
        self.screen = screen
        self.commands = {
            "/new": self.begin_anew,
            "/history": self.show_history,
            "/session": self.show_session,
            "/forget": self.forget,
            "/help": self.show_help,
        }

    def wait_for_model(self) -> None:
        """Wait until the server's own model is ready, and show how far it is. Raises Unavailable when it is not."""
        console = Console(stderr=not self.screen.is_person, highlight=False)
        state = self.behind.run(follow_model(self.talk.read_state, console, is_patient=False))
        if state and state.state != "ready":
            raise Unavailable(f"The model {state.name} is not ready: {state.detail}")

    def read_lines(self) -> bool:
        """Take each line of the input as a turn; whether all of them were answered."""
        self.screen.note(f"Session {self.talk.session}")
        answered = [self.take(text) for line in sys.stdin if (text := line.strip())]
        return all(answered)

    def converse(self) -> bool:
        """Talk until the person leaves."""
        # A shell's background jobs ignore Ctrl-C, and what they start inherits that: a person's Ctrl-C is always heard.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.screen.note(f"Session {self.describe_session()}. /help lists the commands, Ctrl-D leaves.")
        while (text := self.screen.read()) is not None and text != "/quit":
            name, _, rest = text.partition(" ")
            try:
                if name in self.commands:
                    self.commands[name](rest.strip())
                elif name.startswith("/") and name[1:].isalpha():
                    self.screen.complain(f"There is no command {name}; /help lists them.")
                elif text:
                    self.take(text)
            except MultiturnError as error:
                self.screen.complain(error.message)
            except KeyboardInterrupt:
                self.screen.note("")
        self.say_farewell()
        return True

    def say_farewell(self) -> None:
        """Say how to go on, and until when that is possible."""
        stored: dict[str, Any] | None = {}
        with suppress(MultiturnError):
            stored = self.behind.run(self.talk.find_session())
        if stored is not None:
            until = stored.get("expires_at")
            limit = f" (until {show_time(until)})" if until else ""
            self.screen.note(f"To go on later: multiturn chat --session {self.talk.session}{limit}")

    def take(self, text: str) -> bool:
        """Say something and show the answer as it comes; whether there was one."""
        heard: SimpleQueue[Piece | None] = SimpleQueue()
        saying = self.behind.submit(self.talk.say(text, heard.put))
        saying.add_done_callback(lambda _: heard.put(None))
        self.screen.begin_answer()
        self.show_answer(heard, saying)
        try:
            reason = saying.result()
        except MultiturnError as error:
            self.screen.end_answer("stopped" if error.code == CANCELLED else "")
            if error.code != CANCELLED:
                self.screen.complain(error.message)
            return error.code == CANCELLED
        self.screen.end_answer("cut off at the limit of its length" if reason == "length" else "")
        return True

    def show_answer(self, heard: SimpleQueue[Piece | None], saying: Future[str]) -> None:
        """Show an answer until it ends; the first Ctrl-C stops it, another one no longer waits for that."""
        stopping: Future[None] | None = None
        while True:
            try:
                piece = heard.get()
                if piece is None:
                    return
                self.screen.write(piece)
            except KeyboardInterrupt:
                if stopping:
                    saying.cancel()
                    raise
                stopping = self.behind.submit(self.talk.stop())

    def begin_anew(self, session: str) -> None:
        """/new: another session."""
        self.talk.begin_anew(session or None)
        self.screen.note(f"Session {self.describe_session()}.")

    def describe_session(self) -> str:
        """The session's id, and how much it holds."""
        stored = self.behind.run(self.talk.find_session())
        return f"{self.talk.session} ({stored['items']} items so far)" if stored else f"{self.talk.session} (new)"

    def show_session(self, _: str) -> None:
        """/session: what is known of it."""
        self.screen.note(f"Session {self.describe_session()}.")
        if stored := self.behind.run(self.talk.find_session()):
            self.screen.note(f"Its id at the server is {stored['id']}; it expires: {show_time(stored['expires_at'])}.")

    def show_history(self, _: str) -> None:
        """/history: what was said."""
        items = self.behind.run(self.talk.list_items())
        for item in items:
            self.screen.show_item(item.get("role") or item["type"], read_text(item))
        if not items:
            self.screen.note("Nothing was said yet.")

    def forget(self, _: str) -> None:
        """/forget: delete the session."""
        if self.screen.ask(f"Delete the session {self.talk.session} with everything in it?"):
            is_stored = self.behind.run(self.talk.forget())
            self.screen.note("It is deleted." if is_stored else "Nothing was stored.")
            self.screen.note(f"Session {self.talk.session} (new).")

    def show_help(self, _: str) -> None:
        """/help: the commands."""
        self.screen.note(HELP)
