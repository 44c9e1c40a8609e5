"""`multiturn doctor`: each outside part tried once, and what to do about those that fail."""

from __future__ import annotations

import asyncio
import os
import sys

import typer

from multiturn.cli.checks import Finding, examine
from multiturn.cli.place import Place, place_of
from multiturn.cli.tables import JsonOption, print_json
from multiturn.config import FILE_VARIABLE, PREFIX, Settings
from multiturn.errors import SettingsError

MARKS = {True: "✓", False: "✗"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(context: typer.Context, json: JsonOption = False) -> None:
    """Try each outside part once, and say what is wrong and what to do.

    Settings, data directory, disk, database, upstream or embedded model, a running server, the port, the clock.
    Nothing is changed. --json prints a list of {name, is_good, detail, advice}.

    Exit codes: 0 all is good; 1 something is not.
    """
    findings = asyncio.run(find_out(place_of(context), as_json=json))
    if json:
        print_json(findings)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(1)


async def find_out(place: Place, *, as_json: bool) -> list[Finding]:
    """Try everything, printing each finding as it comes unless it is for JSON."""
    findings: list[Finding] = []

    def take(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            print_finding(finding)

    try:
        settings = place.read_settings()
    except SettingsError as error:
        take(Finding(name="settings", is_good=False, detail=error.message, advice="docs/settings.md lists them all."))
        return findings
    take(Finding(name="settings", is_good=True, detail=describe_settings(place, settings)))
    async for finding in examine(settings):
        take(finding)
    return findings


def describe_settings(place: Place, settings: Settings) -> str:
    """Where the settings come from; never a value, which may be a secret."""
    names = sorted(
        name for name, text in os.environ.items() if name.startswith(PREFIX) and name != FILE_VARIABLE and text
    )
    path = place.config or os.environ.get(FILE_VARIABLE)
    parts = [", ".join(names) or "defaults", f"the file {path}" if path else ""]
    auth = "keys are asked for" if settings.auth == "keys" else "authentication is off"
    return f"{' and '.join(filter(None, parts))}; {auth}"


def print_finding(finding: Finding) -> None:
    """Print one finding, and under it what to do."""
    mark, color = MARKS[finding.is_good], "32" if finding.is_good else "31"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\x1b[{color}m{mark}\x1b[0m"
    print(f"{mark} {finding.name:<15} {finding.detail}", flush=True)
    if finding.advice:
        print(f"  {'':<15} {finding.advice}", flush=True)
