"""``python -m tests.bench [--data FOLDER] [NAME …]``: prints the figures of the measurements that are named, as JSON.

Without a name, all of the server are made. Those of public benchmarks need their data, and have to be named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.bench import measures, recall

MEASURES: Mapping[str, Callable[[], Awaitable[measures.Figures]]] = {
    "turns": measures.measure_turns,
    "deltas": measures.measure_deltas,
    "length": measures.measure_length,
    "open_streams": measures.measure_open_streams,
    "disk": measures.measure_disk,
    "startup": measures.measure_startup,
}
BENCHMARKS: Mapping[str, Callable[[Path], Awaitable[measures.Figures]]] = {"recall": recall.measure_recall}


async def main(names: list[str], data: Path) -> None:
    """Measure, and print."""
    figures: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count()}
    for name in names or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr)
        figures[name] = await (BENCHMARKS[name](data) if name in BENCHMARKS else MEASURES[name]())
    print(json.dumps(figures, indent=1))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*MEASURES, *BENCHMARKS]))
    parser.add_argument("--data", type=Path, default=recall.DATA, help="the folder of the public benchmarks")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - MEASURES.keys() - BENCHMARKS.keys():
        parser.error(f"no measurement {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    told = read_arguments()
    asyncio.run(main(told.names, told.data))
