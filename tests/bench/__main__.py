"""``python -m tests.bench [--data FOLDER] [NAME …]``: prints the figures of the measurements that are named, as JSON.

Without a name, all of the server are made. Those of contexts, of knowledge and of public benchmarks have to be named;
the last need their data.
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

from tests.bench import (
    agents,
    citations,
    context_costs,
    context_evidence,
    context_prefix,
    measures,
    media,
    mtrag,
    recall,
    scale,
    strict,
    upload,
)

MEASURES: Mapping[str, Callable[[], Awaitable[measures.Figures]]] = {
    "turns": measures.measure_turns,
    "truncated_turns": measures.measure_truncated_turns,
    "deltas": measures.measure_deltas,
    "length": measures.measure_length,
    "open_streams": measures.measure_open_streams,
    "disk": measures.measure_disk,
    "startup": measures.measure_startup,
}
CONTEXTS: Mapping[str, Callable[[], Awaitable[measures.Figures]]] = {
    "assembling": context_costs.measure_assembling,
    "recalling_turns": context_costs.measure_recalling_turns,
    "strict": strict.measure_strict,
}
AGENTS: Mapping[str, Callable[[], Awaitable[measures.Figures]]] = {
    "loop": agents.measure_loop,
    "many_runs": agents.measure_many,
    "messages": agents.measure_messages,
}
KNOWLEDGE: Mapping[str, Callable[[], Awaitable[measures.Figures]]] = {
    "scale": scale.measure_scale,
    "adding": scale.measure_adding,
    "media": media.measure_media,
    "upload": upload.measure_upload,
    "citations": citations.measure_citations,
    "citations_embedded": citations.measure_embedded_citations,
}
BENCHMARKS: Mapping[str, Callable[[Path], Awaitable[measures.Figures]]] = {
    "mtrag": mtrag.measure_mtrag,
    "recall": recall.measure_recall,
    "evidence": context_evidence.measure_evidence,
    "prefix": context_prefix.measure_prefix,
}


async def main(names: list[str], data: Path) -> None:
    """Measure, and print."""
    figures: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count()}
    for name in names or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr)
        without_data = {**MEASURES, **CONTEXTS, **AGENTS, **KNOWLEDGE}
        figures[name] = await (BENCHMARKS[name](data) if name in BENCHMARKS else without_data[name]())
    print(json.dumps(figures, indent=1))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    known = [*MEASURES, *CONTEXTS, *AGENTS, *KNOWLEDGE, *BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--data", type=Path, default=recall.DATA, help="the folder of the public benchmarks")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"no measurement {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    told = read_arguments()
    asyncio.run(main(told.names, told.data))
