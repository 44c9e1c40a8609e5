"""The command line: serve, work, chat, ingest, ask, stores, keys, sessions, usage, export, import, model …"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

import typer
from typer.models import CommandInfo

from multiturn.cli.place import hoist, read_place
from multiturn.errors import MultiturnError, SettingsError

# Each command is a module of its own, loaded when its name is among the words: the server takes 0.75 s of imports,
# and `multiturn --help` answers in 0.15 s.
COMMANDS = {
    "serve": "Run the server.",
    "work": "Read and index files for servers on PostgreSQL.",
    "chat": "Talk with the model in this terminal.",
    "ingest": "Put files into a knowledge store.",
    "ask": "Ask a knowledge store, with citations.",
    "stores": "Look at knowledge stores, and delete them.",
    "keys": "List, make and revoke API keys.",
    "quotas": "Limit what tenants, users and sessions may use.",
    "sessions": "Look at sessions, and delete them.",
    "approvals": "List calls that wait for a person's word, and give it.",
    "usage": "Show what was used: turns, tokens, dollars.",
    "export": "Write a session to a file, with everything in it.",
    "import": "Make sessions of a file: an export, or what another program kept.",
    "model": "List and fetch the models that the server can run itself.",
    "migrate": "Bring the database to this version.",
    "doctor": "Try each outside part once, and say what is wrong.",
}
# `import` is a word of Python's own.
MODULES = {"import": "imports"}
EPILOG = "The options above may stand before a command or behind it. Settings are MULTITURN_<NAME> in the environment."
COMMAND_EPILOG = "--config, --data-dir, --url and --key may stand here too; `multiturn --help` tells what they are."


def main() -> None:
    """Run the command that the shell's words name."""
    words = hoist(sys.argv[1:])
    try:
        make_app(words)(words, prog_name="multiturn")
    except MultiturnError as error:
        print(f"multiturn: {error.message}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except KeyboardInterrupt:  # While the command is loaded; later the commands say themselves what was interrupted.
        sys.exit(130)


def make_app(words: list[str]) -> typer.Typer:
    """The commands, those of them loaded that the words may name."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog=EPILOG)(read_place)
    for name, text in COMMANDS.items():
        if name in words:
            import_module(f"multiturn.cli.{MODULES.get(name, name)}").add_to(app)
        else:
            app.command(name, help=text)(lambda: None)
    for command in list_commands(app):
        command.epilog = COMMAND_EPILOG
    return app


def list_commands(app: typer.Typer) -> Iterator[CommandInfo]:
    """Every command, those in groups too."""
    yield from app.registered_commands
    for group in app.registered_groups:
        if group.typer_instance:
            yield from list_commands(group.typer_instance)
