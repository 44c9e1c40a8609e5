"""Writes what is ours of the example collection: three short talks with slides, spoken by espeak-ng, and a guide.

Run it in the repository's root: ``.venv/bin/python -m examples.write_collection``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.talks import Slide, make_talk

FOLDER = Path(__file__).parent / "collection"

TALKS = {
    "tides.webm": [
        Slide(
            "Why the sea has tides",
            ("The pull of the Moon", "Two high waters a day"),
            (
                "The Moon pulls the water of the oceans towards it.",
                "On the far side of the Earth the water rises as well.",
                "So high water comes twice a day on most coasts.",
            ),
        ),
        Slide(
            "Spring tides and neap tides",
            ("Sun and Moon in line: spring tide", "Sun and Moon at right angles: neap tide"),
            (
                "When the Sun and the Moon stand in line, the tide is strongest.",
                "That is called a spring tide.",
                "A week later they pull at right angles, and the tide is weak.",
            ),
        ),
        Slide(
            "Tides in the harbour",
            ("Leave on the falling tide",),
            ("Sailors leave the harbour on the falling tide, because the water carries the ship out to sea.",),
        ),
    ],
    "lighthouses.webm": [
        Slide(
            "How lighthouses guided ships",
            ("Fire, oil, electric light",),
            (
                "A lighthouse warns sailors of dangerous rocks and shows them the way into the harbour.",
                "The first ones were open fires on a hill.",
                "Later ones burned oil in large lamps.",
            ),
        ),
        Slide(
            "The Fresnel lens",
            ("Augustin Fresnel, 1822", "Rings of glass"),
            (
                "In eighteen twenty two the French engineer Fresnel built a lens out of many rings of glass.",
                "It made a strong beam that sailors could see from thirty kilometres away.",
            ),
        ),
        Slide(
            "A rhythm for each light",
            ("Every tower has its own flashes",),
            ("Each lighthouse has a rhythm of its own, and by counting it a captain knows where the ship is.",),
        ),
    ],
    "moon-landing.webm": [
        Slide(
            "How people reached the Moon",
            ("Apollo 11, July 1969",),
            (
                "In July nineteen sixty nine a large rocket left the coast of Florida.",
                "Three days later the spacecraft went into orbit around the Moon.",
            ),
        ),
        Slide(
            "The landing",
            ("Armstrong and Aldrin", "Twenty seconds of fuel"),
            (
                "Armstrong steered by hand, because the computer was heading for a field of rocks.",
                "When the landing craft touched the ground, there was fuel for less than a minute.",
            ),
        ),
        Slide(
            "What they brought home",
            ("Rocks, and a mirror left behind",),
            (
                "The crew brought home twenty one kilograms of rock.",
                "They left a mirror behind, and with it we still measure the distance to the Moon.",
            ),
        ),
    ],
}
GUIDE_TITLE = "A small guide to the harbour"
GUIDE = (
    (
        "1. Tides",
        "High water comes about fifty minutes later each day, because the Moon has moved on.",
        "At a spring tide the water in this harbour rises by five metres, at a neap tide by two.",
        "Boats that draw more than three metres enter two hours before high water at the earliest.",
    ),
    (
        "2. Lights",
        "The lighthouse on the north pier shows a white flash every ten seconds.",
        "Coming in, keep the red light to your left and the green light to your right.",
        "In fog the horn on the pier sounds twice a minute.",
    ),
    (
        "3. When something goes wrong",
        "The harbour master listens on channel sixteen, day and night.",
        "A person in the water is the first duty of every boat: throw a ring, point, and call for help.",
        "The lifeboat leaves within eight minutes after an alarm.",
    ),
)
LINE_CHARS = 70
PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R /Resources << /Font << /F 3 0 R >> >> >>"


def write_collection(folder: Path = FOLDER) -> None:
    """Write the talks and the guide into a folder."""
    for name, slides in TALKS.items():
        make_talk(folder / name, slides)
    (folder / "harbour-guide.pdf").write_bytes(write_pdf(GUIDE_TITLE, GUIDE))


def write_pdf(title: str, pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF of plain pages: a heading and paragraphs each."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, page in enumerate(pages):
        drawn = draw_page(page)
        objects += [PAGE.format(5 + 2 * number), f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream"]
    objects.append(f"<< /Title ({title}) >>")
    return join_objects(objects)


def draw_page(page: Sequence[str]) -> str:
    """The text of a page as PDF draws it."""
    lines = [f"BT /F 18 Tf 72 760 Td 16 TL ({page[0]}) Tj /F 11 Tf T* T*"]
    for paragraph in page[1:]:
        line = ""
        for word in paragraph.split():
            if len(line) + len(word) >= LINE_CHARS:
                lines.append(f"({line}) Tj T*")
                line = ""
            line = f"{line} {word}".strip()
        lines.append(f"({line}) Tj T* T*")
    return "\n".join([*lines, "ET"])


def join_objects(objects: Sequence[str]) -> bytes:
    """The objects as a file, the last one its description."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R /Info {size - 1} 0 R >>\n"
    return bytes(out) + f"{end}startxref\n{len(out)}\n%%EOF\n".encode()


if __name__ == "__main__":
    write_collection()
