"""What the port Readers promises of every file: read in a process of its own, which ends within its limits."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from multiturn.engine.ports_assets import Readers, ReadOrder
from multiturn.errors import MultiturnError, Unavailable, UnreadableFile
from multiturn.ingest.processes import ReaderLimits, ReaderProcesses
from multiturn.ingest.readers import ReaderTable
from multiturn.model.asset import Probe
from multiturn.model.segment import Note, Picture, Place, Progress, Reading, Segment, Sound
from tests.documents import make_pdf, make_scanned_pdf, make_word

HERE = Path(__file__).parent
STUMBLING = "stumbling_readers"
TABLE = ReaderTable(probing=STUMBLING, documents={"text/plain": STUMBLING}, hls=STUMBLING)
PROBE = Probe(kind="document", mime="text/plain")
ORDER = ReadOrder(PROBE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def open_stumbling(*, reader_s: float = 20.0, bytes_max: int = 300 << 20) -> Readers:
    limits = ReaderLimits(reader_s=reader_s, bytes_max=bytes_max)
    model = Path("/models/speech")
    return ReaderProcesses(
        limits, find_speech_model=lambda: model, table=TABLE, environ={"PYTHONPATH": str(HERE), "KEPT": "1"}
    )


async def collect(readings: AsyncGenerator[Reading]) -> list[Reading]:
    async with aclosing(readings):
        return [reading async for reading in readings]


async def read_word(readers: Readers, file: Path, word: str) -> list[Reading]:
    file.write_text(word)
    return await collect(readers.read(file, ORDER))


async def read_text(readers: Readers, file: Path, word: str) -> str:
    found = await read_word(readers, file, word)
    return " ".join(reading.text for reading in found if isinstance(reading, Segment))


async def stumble(file: Path, word: str, *, reader_s: float = 20.0) -> MultiturnError:
    """Read a file that ends badly; what was read before came through."""
    file.write_text(word)
    async with aclosing(open_stumbling(reader_s=reader_s).read(file, ORDER)) as readings:
        assert await anext(readings) == Segment(text="before")
        with pytest.raises(MultiturnError) as caught:
            await anext(readings)
    return caught.value


async def test_every_reading_arrives_clean(file: Path) -> None:
    progress, segment, picture, sound, note = await read_word(open_stumbling(), file, "all")
    assert progress == Progress(share=1.0, doing="half?")
    assert isinstance(segment, Segment)
    assert segment.text == "a b?c"
    assert segment.place.page == 2
    assert segment.place.heading is None
    assert picture == Picture(kind="frame", jpeg=b"\xff\xd8", shot=3)
    assert isinstance(sound, Sound)
    assert len(sound.audio) == 9_600_000
    assert note == Note(text="nothing more")


async def test_a_reader_sees_no_secret(file: Path) -> None:
    assert "PYTEST_CURRENT_TEST" in os.environ  # It stands for every variable that is not a reader's business.
    names = (await read_text(open_stumbling(), file, "environ")).split()
    assert "KEPT" in names
    assert "PATH" in names
    assert "PYTEST_CURRENT_TEST" not in names


async def test_a_reader_is_told_how_to_read(file: Path) -> None:
    assert await read_text(open_stumbling(), file, "options") == "/models/speech True 1 10"


async def test_what_libraries_print_is_no_frame(file: Path) -> None:
    assert await read_text(open_stumbling(), file, "print") == "said"


async def test_no_core_and_no_files_are_written(file: Path, tmp_path: Path) -> None:
    assert await read_text(open_stumbling(), file, "limits") == "0 0"
    error = await stumble(file, f"writes {tmp_path / 'new'}")
    assert isinstance(error, UnreadableFile)
    assert (tmp_path / "new").stat().st_size == 0


@pytest.mark.parametrize(
    ("word", "kind", "said"),
    [
        ("refuse", UnreadableFile, "It is a drawing of a cat."),
        ("later", Unavailable, "The model is not there yet."),
        ("fail", UnreadableFile, "its reader failed (KeyError)"),
        ("crash", UnreadableFile, "its reader stopped (SIGSEGV)"),
        ("abort", UnreadableFile, "it is damaged, or a piece of it needs more than"),
        ("exit 3", UnreadableFile, "its reader stopped (status 3)"),
        ("leave", UnreadableFile, "its reader stopped (status 0)"),
        ("killed", Unavailable, "stopped from outside (SIGKILL)"),
        ("gibberish", UnreadableFile, "makes no sense"),
        ("long", UnreadableFile, "a piece of it took 4095 MB"),
        ("greedy", Unavailable, "took more than 300 MB of memory"),
        ("hungry", Unavailable, "took more than 300 MB of memory"),
    ],
)
async def test_a_bad_end_has_its_reason(file: Path, word: str, kind: type[MultiturnError], said: str) -> None:
    error = await stumble(file, word)
    assert isinstance(error, kind)
    assert said in error.message
    assert str(file) not in error.message


@pytest.mark.parametrize("word", ["hang", "spin"])
async def test_the_clock_ends_a_reader(file: Path, word: str) -> None:
    error = await stumble(file, word, reader_s=1.0)
    assert isinstance(error, UnreadableFile)
    assert error.message == "Reading the file took longer than 1 seconds, and was stopped."


async def test_what_a_reader_leaves_behind_ends_with_it(file: Path) -> None:
    begun = time.monotonic()
    error = await stumble(file, "fork", reader_s=10.0)
    assert error.message == "The file could not be read: its reader stopped (status 3). It may be damaged."
    assert time.monotonic() - begun < 8


async def test_what_left_its_group_holds_nobody(file: Path) -> None:
    begun = time.monotonic()
    await stumble(file, "fork apart", reader_s=1.0)
    assert time.monotonic() - begun < 10


async def test_the_clock_stands_while_nobody_asks(file: Path) -> None:
    file.write_text("all")
    seen = 0
    async with aclosing(open_stumbling(reader_s=1.0).read(file, ORDER)) as readings:
        async for _ in readings:
            seen += 1
            await asyncio.sleep(0.3)
    assert seen == 5


async def test_a_reader_ends_with_its_caller(file: Path) -> None:
    file.write_text("pid")
    async with aclosing(open_stumbling().read(file, ORDER)) as readings:
        async for reading in readings:
            assert isinstance(reading, Segment)
            pid = int(reading.text)
            break
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_cancelled_caller_ends_its_reader(file: Path) -> None:
    file.write_text("pid")
    pids: list[int] = []

    async def follow() -> None:
        async with aclosing(open_stumbling().read(file, ORDER)) as readings:
            async for reading in readings:
                assert isinstance(reading, Segment)
                pids.append(int(reading.text))

    task = asyncio.create_task(follow())
    while not pids:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


PARENT = """
import asyncio, sys
from pathlib import Path
from tests.contract.ports.test_readers import ORDER, open_stumbling

async def main():
    async for reading in open_stumbling().read(Path(sys.argv[1]), ORDER):
        print(reading.text, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next frame finds the pipe broken")
async def test_a_reader_ends_with_a_killed_server(file: Path) -> None:
    file.write_text("pid")
    environ = os.environ | {"PYTHONPATH": str(HERE.parents[2])}
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, str(file), stdout=PIPE, env=environ)
    assert server.stdout is not None
    pid = int(await server.stdout.readline())
    assert is_running(pid)
    server.kill()
    await server.wait()
    async with asyncio.timeout(10):
        while is_running(pid):
            await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only waits for its end to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def test_probes_come_back_clean_and_in_time(file: Path) -> None:
    file.write_text("text")
    found = await open_stumbling().probe(file, "notes.txt")
    assert found == Probe(kind="document", mime="text/plain", technical={"title": "notes.txt", "nul": "a b"})
    file.write_text("hang")
    with pytest.raises(UnreadableFile, match="longer than 1 seconds"):
        await open_stumbling(reader_s=1.0).probe(file, "notes.txt")


async def test_thumbnails_are_made_where_there_is_a_picture(file: Path) -> None:
    file.write_bytes(b"picture")
    assert await open_stumbling().make_thumbnail(file, PROBE) == b"picture"
    file.write_bytes(b"")
    assert await open_stumbling().make_thumbnail(file, PROBE) is None
    assert await open_stumbling().make_thumbnail(file, Probe(kind="document", mime="application/x-cat")) is None


async def test_hls_is_written_up_to_a_limit(file: Path, tmp_path: Path) -> None:
    file.write_text("1000")
    await open_stumbling().make_hls(file, tmp_path)
    assert (tmp_path / "stream.m3u8").stat().st_size == 1000
    file.write_text(str(100 << 20))
    with pytest.raises(UnreadableFile, match="OSError"):
        await open_stumbling().make_hls(file, tmp_path)


async def test_what_nobody_reads_is_refused(file: Path) -> None:
    file.write_text("all")
    with pytest.raises(UnreadableFile, match=r"application/x-cat are not read.*PDF"):
        await collect(open_stumbling().read(file, ReadOrder(Probe(kind="document", mime="application/x-cat"))))


async def read_document(path: Path) -> Sequence[Segment]:
    """Probe and read a file as the server does."""
    readers: Readers = ReaderProcesses(ReaderLimits(threads=2))
    probe = await readers.probe(path, path.name)
    return [found for found in await collect(readers.read(path, ReadOrder(probe))) if isinstance(found, Segment)]


async def test_a_scanned_page_is_read_and_has_its_number(tmp_path: Path) -> None:
    pages = [["The keeper wrote every night", "about wind, oil and ships."], ["In spring the marmalade arrived."]]
    first, second = await read_document(make_scanned_pdf(tmp_path / "scan.pdf", pages))
    assert first.place.page == 1
    assert first.text == "The keeper wrote every night\nabout wind, oil and ships."
    assert second == Segment(text="In spring the marmalade arrived.", modality="screen", place=Place(page=2))


async def test_documents_come_through_their_processes(tmp_path: Path) -> None:
    (page,) = await read_document(make_pdf(tmp_path / "one.pdf", [["The tide rose early on Monday and fell late."]]))
    assert page.text == "The tide rose early on Monday and fell late."
    segments = await read_document(make_word(tmp_path / "guide.docx"))
    assert [segment.place.heading for segment in segments] == ["Field guide", "Equipment › Boots", "Distances"]


async def test_a_process_starts_quickly(file: Path) -> None:
    begun = time.perf_counter()
    await read_text(open_stumbling(), file, "print")
    assert time.perf_counter() - begun < 5.0
