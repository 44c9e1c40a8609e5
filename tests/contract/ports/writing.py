"""A process that takes turns on a SQLite file until it is killed, and says after each that it was stored.

python -m tests.contract.ports.writing FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.stores import Stores

CALLERS = 8


async def take_turns(stores: Stores, name: str) -> None:
    head = 0
    while True:
        begun = await stores.take(name, text=f"turn behind {head}")
        head += 2
        print(begun.run.tenant_id, begun.session.id, head, flush=True)


async def main(path: Path) -> None:
    database = SqliteDatabase(path)
    await database.migrate()
    stores = Stores(database)
    await asyncio.gather(*(take_turns(stores, str(n)) for n in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
