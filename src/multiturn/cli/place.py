"""Where a command works: the settings that it reads, and the server that it talks to."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from multiturn import __version__
from multiturn.config import FILE_VARIABLE, Settings, read_settings

# These may stand before a command or behind it (``hoist``), so that each is described once.
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="PATH", help="TOML file of settings; it goes before MULTITURN_CONFIG."),
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", metavar="PATH", help="Data directory; it goes before MULTITURN_DATA_DIR.")
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="MT_URL",
        help="Server to talk to, as http://host:port; else the one that runs on the data directory; where none does, "
        "the command starts one for itself.",
    ),
]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="KEY", envvar="MT_KEY", help="API key for --url; else MULTITURN_API_KEY.")
]
UserOption = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="User to act for; a key of --key needs the scope 'users'.")
]
HOISTED = ("--config", "--data-dir", "--url", "--key")


def show_version(is_asked: bool) -> None:
    """Show the version and leave."""
    if is_asked:
        print(f"multiturn {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which settings and which server a command is for; what is None is found where ``find_server`` says."""

    config: Path | None = None
    data_dir: Path | None = None
    url: str | None = None
    key: str | None = None
    user: str | None = None

    def read_settings(self, **overrides: Any) -> Settings:
        """Read the settings; ``overrides`` are those that the command line gives. Raises SettingsError."""
        environ = dict(os.environ)
        if self.config:
            environ[FILE_VARIABLE] = str(self.config)
        return read_settings(environ, overrides={"data_dir": self.data_dir, **overrides})


def read_place(
    context: typer.Context,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    version: VersionOption = False,
) -> None:
    """Multiturn: a self-hosted server that keeps the state of conversations with language models.

    Exit codes: 0 done; 1 it could not be done, the reason stands on standard error; 2 a setting, a command or an
    option is wrong.
    """
    context.obj = Place(config=config, data_dir=data_dir, url=url, key=key)


def place_of(context: typer.Context, *, user: str | None = None) -> Place:
    """The place that the shared options name, for one user where the command says so."""
    place = context.obj
    assert isinstance(place, Place)
    return replace(place, user=user) if user else place


def hoist(words: list[str]) -> list[str]:
    """Bring the options that all commands share to the front, wherever they stand."""
    front: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word in HOISTED:
            front += [word, *([value] if (value := next(left, None)) is not None else [])]
        elif word.partition("=")[0] in HOISTED:
            front.append(word)
        else:
            rest.append(word)
    return front + rest
