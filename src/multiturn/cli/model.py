"""`multiturn model`: the models that the server can run itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console

from multiturn.app import model_files
from multiturn.cli.place import Place, place_of
from multiturn.cli.progress import Meter
from multiturn.cli.tables import JsonOption, print_json, print_table, show_size
from multiturn.errors import NotFound
from multiturn.upstream.catalogue import MODELS, Model
from multiturn.upstream.model_files import ModelFiles, is_own_file

NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="A name of `model list`, or the path of a .gguf file; the default model by default."
    ),
]
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
    """List the catalogue: name, licence, size of the file, whether it is on this machine, and which is the default.

    --json has sizes in bytes.

    Exit codes: 0 always.
    """
    files, default = open_files(place_of(context))
    if json:
        print_json([describe(model, files, default) for model in MODELS])
        return
    rows = [
        (
            model.name,
            model.licence,
            show_size(model.size_bytes),
            files.find(model.name) is not None,
            "default" if model.name == default else "",
        )
        for model in MODELS
    ]
    print_table(("name", "licence", "size", "here", ""), rows, empty="No models.")


def pull_model(context: typer.Context, name: NameArgument = None) -> None:
    """Fetch a model's file and check it; one that is here already is only checked. A pull that broke off goes on.

    Exit codes: 0 the file is here; 1 it could not be fetched, or there is no such model.
    """
    files, default = open_files(place_of(context))
    print(asyncio.run(pull(files, name or default)))


def use_model(context: typer.Context, name: ChoiceArgument) -> None:
    """Make a model the default of the data directory, from the next start of the server on.

    MULTITURN_MODEL goes before it.

    Exit codes: 0 done; 1 there is no such model.
    """
    files, _ = open_files(place_of(context))
    files.use(name)
    print(f"{files.read_default()} answers from the next start on.")
    if files.find(name) is None:
        print(f"It is fetched then; `multiturn model pull {name}` does it now.")


def show_path(context: typer.Context, name: NameArgument = None) -> None:
    """Print the path of a model's file.

    Exit codes: 0 done; 1 it is not on this machine, or there is no such model.
    """
    files, default = open_files(place_of(context))
    path = files.find(name or default)
    if path is None:
        raise NotFound(f"{name or default} is not on this machine; `multiturn model pull` fetches it.")
    print(path)


def describe(model: Model, files: ModelFiles, default: str) -> dict[str, Any]:
    """A model of the catalogue; ``path`` is null when it is not on this machine."""
    path = files.find(model.name)
    return {
        "name": model.name,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "path": str(path) if path else None,
        "is_default": model.name == default,
    }


def open_files(place: Place) -> tuple[ModelFiles, str]:
    """The files of the data directory, and the model that a server there runs."""
    settings = place.read_settings()
    files = model_files(settings.data_dir)
    is_own = settings.upstream_url is None and settings.model is not None
    default = settings.model if is_own and settings.model else files.read_default()
    known = next((model.name for model in MODELS if model.name.lower() == default.lower()), default)
    return files, known


async def pull(files: ModelFiles, name: str) -> str:
    """Fetch a model's file, showing how far it is; what became of it."""
    with Meter(Console(highlight=False), name) as meter:
        path = await files.pull(name, meter.show)
    return f"{path} is there." if is_own_file(name) else f"{path} is there, and its sha256 is right."
