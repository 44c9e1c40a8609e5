"""`multiturn model`: the models that the server can run itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from multiturn.app import model_files
from multiturn.cli.place import Place, place_of
from multiturn.cli.progress import Meter
from multiturn.cli.tables import JsonOption, print_json, print_table, show_size
from multiturn.config import Settings
from multiturn.errors import NotFound
from multiturn.upstream.catalogue import MODELS, Kind, Model
from multiturn.upstream.embeddings import NONE
from multiturn.upstream.model_files import ModelFiles, is_own_file

NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="A name of `model list`, or the path of a .gguf file; the default model by default."
    ),
]
DOES: Mapping[Kind, str] = {
    "chat": "answers",
    "embedding": "makes the embeddings",
    "speech": "turns speech into text",
}
"""What the default model of a kind does."""

ChoiceArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A name of `model list`, or the path of a .gguf file.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    model = typer.Typer(no_args_is_help=True, help="List and fetch the models that the server can run itself.")
    model.command("list")(list_models)
    model.command("pull")(pull_model)
    model.command("use")(use_model)
    model.command("path")(show_path)
    app.add_typer(model, name="model")


def list_models(context: typer.Context, json: JsonOption = False) -> None:
    """List the catalogue: name, kind, licence, size, whether it is on this machine, and which are the defaults.

    --json has sizes in bytes.

    Exit codes: 0 always.
    """
    files, defaults = open_files(place_of(context))
    if json:
        print_json([describe(model, files, defaults) for model in MODELS])
        return
    rows = [
        (
            model.name,
            model.kind,
            model.licence,
            show_size(model.size_bytes),
            files.find(model.name) is not None,
            "default" if model.name == defaults[model.kind] else "",
        )
        for model in MODELS
    ]
    print_table(("name", "kind", "licence", "size", "here", ""), rows, empty="No models.")


def pull_model(context: typer.Context, name: NameArgument = None) -> None:
    """Fetch a model's files and check them; what is here already is only checked. A pull that broke off goes on.

    Without a name it fetches the default models of all kinds.

    Exit codes: 0 the files are here; 1 they could not be fetched, or there is no such model.
    """
    files, defaults = open_files(place_of(context))
    for wanted in [name] if name else defaults.values():
        print(asyncio.run(pull(files, wanted)))


def use_model(context: typer.Context, name: ChoiceArgument) -> None:
    """Make a model the default of its kind in the data directory, from the next start of the server on.

    MULTITURN_MODEL, MULTITURN_EMBEDDING_MODEL and MULTITURN_SPEECH_MODEL go before it.

    Exit codes: 0 done; 1 there is no such model.
    """
    files, _ = open_files(place_of(context))
    kind = files.use(name)
    print(f"{files.read_default(kind)} {DOES[kind]} from the next start on.")
    if files.find(name) is None:
        print(f"It is fetched then; `multiturn model pull {name}` does it now.")


def show_path(context: typer.Context, name: NameArgument = None) -> None:
    """Print the paths of a model's files, its weights first; without a name those of the default chat model.

    Exit codes: 0 done; 1 it is not on this machine, or there is no such model.
    """
    files, defaults = open_files(place_of(context))
    wanted = name or defaults["chat"]
    paths = files.find_all(wanted)
    if paths is None:
        raise NotFound(f"{wanted} is not on this machine; `multiturn model pull` fetches it.")
    print(*paths, sep="\n")


def describe(model: Model, files: ModelFiles, defaults: Mapping[Kind, str]) -> dict[str, Any]:
    """A model of the catalogue; ``path`` is that of its weights, null when it is not on this machine."""
    path = files.find(model.name)
    return {
        "name": model.name,
        "kind": model.kind,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "path": str(path) if path else None,
        "is_default": model.name == defaults[model.kind],
    }


def open_files(place: Place) -> tuple[ModelFiles, Mapping[Kind, str]]:
    """The files of the data directory, and the models that a server there runs, or would without an upstream."""
    settings = place.read_settings()
    files = model_files(settings.data_dir)
    chat = (settings.model if settings.upstream_url is None else None) or files.read_default()
    return files, {
        "chat": find_name(chat),
        "embedding": find_name(choose_embedding(settings, files)),
        "speech": find_name(choose_speech(settings, files)),
    }


def choose_embedding(settings: Settings, files: ModelFiles) -> str:
    """The embedding model of the settings, unless that is a provider's or none."""
    is_own = settings.embedding_url is None and settings.embedding_model not in (None, NONE)
    return settings.embedding_model if is_own and settings.embedding_model else files.read_default("embedding")


def choose_speech(settings: Settings, files: ModelFiles) -> str:
    """The speech model of the settings, unless that is a provider's or none."""
    is_own = settings.speech_url is None and settings.speech_model not in (None, NONE)
    return settings.speech_model if is_own and settings.speech_model else files.read_default("speech")


def find_name(name: str) -> str:
    """The catalogue's spelling of a name, where it has the model."""
    return next((model.name for model in MODELS if model.name.lower() == name.lower()), name)


async def pull(files: ModelFiles, name: str) -> str:
    """Fetch a model's files, showing how far it is; what became of it."""
    with Meter(Console(highlight=False), name) as meter:
        path = await files.pull(name, meter.show)
    return f"{path} is there." if is_own_file(name) else f"{path} is there, and its sha256 is right."
