"""`multiturn migrate`: the database brought to this version, apart from a start."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import typer

from multiturn.app import open_database
from multiturn.cli.place import place_of
from multiturn.cli.reach import find_running
from multiturn.config import Settings
from multiturn.store.ownership import own_directory
from multiturn.store.survey import Survey, survey_postgres, survey_sqlite


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate")(migrate)


def migrate(context: typer.Context) -> None:
    """Apply the migrations that the database still needs, and say which. Every start of the server does the same.

    It is for deployments with a step of their own for it. Migrations go forward only.

    Exit codes: 0 the database is at this version; 2 it cannot be opened, is newer than this program, or another
    program owns the data directory.
    """
    print(asyncio.run(bring_up(place_of(context).read_settings())))


async def bring_up(settings: Settings) -> str:
    """Apply what is pending; what was done. Raises SettingsError."""
    async with AsyncExitStack() as stack:
        if settings.is_sqlite:
            if await find_running(settings):
                return f"A server runs on {settings.data_dir}; it migrated the database when it started."
            stack.enter_context(own_directory(settings.data_dir))
        before = await survey_database(settings)
        await open_database(settings, stack)
    applied = [str(version) for version in range(before.version + 1, before.newest + 1)]
    if not applied:
        return f"The database is at version {before.newest} already; nothing was to be done."
    return f"Applied {', '.join(applied)}: the database is at version {before.newest}."


async def survey_database(settings: Settings) -> Survey:
    """How the database stands. Raises SettingsError when it cannot be opened."""
    if settings.is_sqlite:
        return survey_sqlite(settings.sqlite_path)
    return await survey_postgres(settings.database_url or "")
