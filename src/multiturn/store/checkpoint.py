"""SQLite's checkpoint: brings the log's pages into the file, and leaves nothing between their cells.

``secure_delete`` overwrites a cell that is deleted. But where SQLite balances a tree it copies cells to another page
and leaves their old bytes behind, in the gap between a page's list of cells and its first cell. SQLite never reads
them; whoever searches the file does, long after the row was erased. So each page that comes into the file has its gap
filled with zeros (pages: sqlite.org/fileformat2.html, section 1.6; the log: section 4.1).
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import apsw

LOG_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
FILE_HEADER_BYTES = 100
# The pages that are part of a tree, by their first byte, with the bytes of their header. Other pages begin with the
# number of a page, whose first byte is 0 or 1 in a file with fewer pages than this (128 GB).
TREE_HEADER_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}
PAGES_MAX = 2 << 24

# First byte, first free block, number of cells, where the cells begin.
read_tree_header = struct.Struct(">BHHH").unpack_from


def checkpoint(connection: apsw.Connection, path: Path, *, empties_log: bool) -> None:
    """Bring what is stored into the file, clean; then, if asked for, cut the log to nothing.

    Nobody may write meanwhile. A reader may hold some pages back: these stay in the log and are among the next ones.
    To empty the log, readers are waited for.
    """
    page_bytes, pages = list_log_pages(Path(f"{path}-wal"))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL if empties_log else apsw.SQLITE_CHECKPOINT_PASSIVE)
    if pages and max(pages) < PAGES_MAX:
        clean_pages(path, sorted(pages), page_bytes)
    if empties_log:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def list_log_pages(log: Path) -> tuple[int, set[int]]:
    """The size of a page, and the numbers of the pages in a log, some of an older round of it among them."""
    with suppress(FileNotFoundError), log.open("rb", buffering=0) as file:
        descriptor, log_bytes = file.fileno(), os.fstat(file.fileno()).st_size
        page_bytes = int.from_bytes(os.pread(descriptor, 4, 8), "big")
        frames = range(LOG_HEADER_BYTES, log_bytes, FRAME_HEADER_BYTES + page_bytes)
        return page_bytes, {int.from_bytes(os.pread(descriptor, 4, at), "big") for at in frames}
    return 0, set()


def clean_pages(path: Path, pages: list[int], page_bytes: int) -> None:
    """Fill the gaps of some pages of the file with zeros.

    The file is opened SQLite's own way: closed in another, all of this process's locks on it would go.
    """
    flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE
    file = apsw.VFSFile("", str(path.absolute()), [flags, 0])
    try:
        for number in pages:
            begin = (number - 1) * page_bytes
            page = file.xRead(page_bytes, begin)
            first, last = find_gap(page, FILE_HEADER_BYTES if number == 1 else 0)
            if page[first:last].strip(b"\0"):
                file.xWrite(bytes(last - first), begin + first)
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        file.xClose()


def find_gap(page: bytes, header: int) -> tuple[int, int]:
    """Where the unused bytes of a page begin and end; nowhere in a page that is not part of a tree."""
    kind, _, cells, begin = read_tree_header(page, header)
    first = header + TREE_HEADER_BYTES.get(kind, len(page)) + 2 * cells
    return first, max(first, begin or len(page))
