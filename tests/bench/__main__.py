"""``python -m tests.bench [NAME …]``: prints the figures of all measurements, or of those that are named, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping

from tests.bench import measures

MEASURES: Mapping[str, Callable[[], Awaitable[measures.Figures]]] = {
    "turns": measures.measure_turns,
    "deltas": measures.measure_deltas,
    "length": measures.measure_length,
    "open_streams": measures.measure_open_streams,
    "disk": measures.measure_disk,
    "startup": measures.measure_startup,
}


async def main(names: list[str]) -> None:
    """Measure, and print."""
    unknown = set(names) - set(MEASURES)
    if unknown:
        sys.exit(f"no measurement {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    figures: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count()}
    for name in names or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr)
        figures[name] = await MEASURES[name]()
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
