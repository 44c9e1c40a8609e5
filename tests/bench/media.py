"""How fast films and recordings are read with the default models, in how much memory, and how well."""

from __future__ import annotations

import asyncio
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

import av

from multiturn.engine.ports_assets import ReadOrder
from multiturn.ingest.processes import ReaderLimits, ReaderProcesses
from multiturn.model.segment import Progress, Reading, Segment
from tests.bench.measures import Figures
from tests.media import find_speech_model
from tests.talks import Slide, Talk, make_talk

THREADS = 2
MIB = 1 << 20
NEAR_S = 2.0
LONG_TIMES = 10
TOPICS = {
    "The vegetable garden": (
        "Tomatoes want six hours of sun every day.",
        "Water them early in the morning, and never on the leaves.",
        "Beans climb on any pole that is taller than you are.",
        "Carrots grow straight where the soil is loose and deep.",
    ),
    "Bees and honey": (
        "A healthy hive has one queen and many workers.",
        "Honey that is closed well keeps for many years.",
        "In winter the bees sit close together and keep each other warm.",
        "A beekeeper opens the hive on a calm and sunny day.",
    ),
    "Good compost": (
        "Mix two parts of dry leaves with one part of kitchen waste.",
        "Turn the heap once a month until it smells like a forest.",
        "Worms do most of the work if the heap is never dry.",
        "After half a year the compost is ready for the garden.",
    ),
    "The old lighthouse": (
        "The lighthouse stands on a rock in front of the harbour.",
        "Its lamp could be seen from twenty miles away.",
        "Three families lived in the small house below the tower.",
        "A storm took the bridge away in the winter of that year.",
    ),
    "Batteries": (
        "Every battery loses a little power when it is cold.",
        "Do not leave a phone in the car on a hot summer day.",
        "Charging it slowly at night makes a battery last longer.",
        "Old batteries belong in the box at the supermarket.",
    ),
    "Baking bread": (
        "Bread needs flour, water, salt and a lot of time.",
        "Let the dough rest in the kitchen until it is twice as high.",
        "The oven has to be very hot when the bread goes in.",
        "A loaf is done when it sounds hollow from below.",
    ),
    "Trains at night": (
        "The night train leaves the city at a quarter past nine.",
        "Two cars are for people who want to sleep in a bed.",
        "Breakfast is served before the train reaches the border.",
        "In the morning you can see the mountains from your window.",
    ),
    "How glass is made": (
        "Glass is made of sand that is melted in a furnace.",
        "The liquid is poured on a bath of hot metal.",
        "It becomes flat and clear while it cools down slowly.",
        "Old bottles are broken and melted once again.",
    ),
}
SLIDES = tuple(Slide(title, tuple(said[:2]), said) for title, said in TOPICS.items())


class Read(NamedTuple):
    """What was read, in how many seconds, after how many of them the pictures were done, and the processor's time."""

    readings: list[Reading]
    took_s: float
    pictures_s: float
    cpu_s: float


async def measure_media() -> Figures:
    """Read a talk of some minutes with slides, then ten times as long a one without its words; MiB are the reader's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk.mp4"
        talk = await asyncio.to_thread(make_talk, path, SLIDES, size=(1280, 720))
        short = await read(path)
        long = repeat(path, Path(folder) / "long.mkv", LONG_TIMES)
        peak = take_peak_mib()
        sounds = await read(long, sounds=True)
        return {
            "film_s": round(talk.duration_s),
            "read_s": round(short.took_s, 1),
            "pictures_s": round(short.pictures_s, 1),
            "cpu_s": round(short.cpu_s, 1),
            "times_real_time": round(talk.duration_s / short.took_s, 1),
            "peak_mib": peak,
            **judge(talk, [reading for reading in short.readings if isinstance(reading, Segment)]),
            "long_film_s": round(talk.duration_s * LONG_TIMES),
            "long_without_words_s": round(sounds.took_s, 1),
            "long_peak_mib": take_peak_mib(),
        }


async def read(path: Path, *, sounds: bool = False) -> Read:
    """Read a film as the server does, in a process of its own."""
    model = Path(await asyncio.to_thread(find_speech_model))
    readers = ReaderProcesses(ReaderLimits(threads=THREADS), find_speech_model=lambda: model)
    order = ReadOrder(await readers.probe(path, path.name), pictures=True, sounds=sounds)
    readings: list[Reading] = []
    begun, pictures_s, cpu_s = time.perf_counter(), 0.0, take_cpu_s()
    async for reading in readers.read(path, order):
        readings.append(reading)
        if isinstance(reading, Progress) and reading.share <= 0.5:
            pictures_s = time.perf_counter() - begun
    return Read(readings, time.perf_counter() - begun, pictures_s, take_cpu_s() - cpu_s)


def take_cpu_s() -> float:
    """The processor's time of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def take_peak_mib() -> int:
    """The most memory that one of the processes had that have ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 // MIB


def judge(talk: Talk, segments: Sequence[Segment]) -> Figures:
    """How much of what is said and written was read, and how many sentences begin within 2 s of the truth."""
    spoken = [segment for segment in segments if segment.modality == "speech"]
    marks = [mark.start_s for segment in spoken for mark in segment.place.marks]
    near = [said for said in talk.said if any(abs(start_s - said.start_s) <= NEAR_S for start_s in marks)]
    screens = " ".join(segment.text for segment in segments if segment.modality == "screen")
    return {
        "words_heard": compare(" ".join(said.text for said in talk.said), " ".join(one.text for one in spoken)),
        "words_seen": compare(" ".join(" ".join((slide.title, *slide.lines)) for slide in SLIDES), screens),
        "sentences_within_2_s": round(len(near) / len(talk.said), 3),
    }


def compare(truth: str, text: str) -> float:
    """The share of the words of a text that another one has, in their order."""
    wanted, found = (re.findall(r"\w+", one.lower()) for one in (truth, text))
    blocks = SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return round(sum(block.size for block in blocks) / len(wanted), 3)


def repeat(path: Path, target: Path, times: int) -> Path:
    """Write a film several times behind itself, as it is."""
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        # The sound begins before 0 and would overlap.
        length_s = (source.duration or 0) / av.time_base + 0.1
        for number in range(times):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None:
                    continue
                copy = av.Packet(bytes(packet))
                shift = round(number * length_s / packet.time_base)
                copy.dts = packet.dts + shift
                copy.pts = packet.dts + shift if packet.pts is None else packet.pts + shift
                copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
                copy.stream = copies[packet.stream.index]
                out.mux(copy)
    return target
