"""Reads web pages: their main text with its headings, without navigation, scripts and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from lxml import etree

from multiturn.ingest.decoding import decode, find_encoding, read_pieces, read_sample
from multiturn.ingest.elements import Element, Heading, Paragraph, compose
from multiturn.ingest.options import Options
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe
from multiturn.model.segment import Note, Progress, Reading

# A tree takes some ten times the memory of its text.
BYTES_MAX = 64 << 20
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "li", "main", "nav",
    "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
))  # fmt: skip
CELLS = frozenset(("td", "th"))
LEFT_OUT = frozenset((
    "script", "style", "noscript", "template", "nav", "aside", "footer", "svg", "math", "iframe", "object",
    "embed", "canvas", "audio", "video", "button", "select", "textarea", "input", "dialog", "head", "map",
))  # fmt: skip
ROLES_LEFT_OUT = frozenset(
    ("navigation", "banner", "contentinfo", "search", "complementary", "menu", "dialog", "alert")
)
# The main element counts when it holds so much of the page's text; a page of which less is left is read as a whole.
MAIN_SHARE_MIN, LEFT_SHARE_MIN, LEFT_CHARACTERS = 0.4, 0.25, 500
CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# A page that is nested deeper than the parser goes is read without its structure.
TOO_DEEP = "ERR_RESOURCE_LIMIT"
READ_FLAT = "The page is nested too deeply to be understood: its text is read without its structure."
PIECES = re.compile(r"(<[^<>]*>)")
TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z!?][\w-]*)[^<>]*>")
NEVER_READ = ("script", "style", "head", "template")
ENDS_LINE = BLOCKS | CELLS | HEADINGS.keys() | {"br"}
SPACES = re.compile(r"[ \t\n\r\f\u00a0]+")


def probe(path: Path, filename: str) -> Probe:
    """Find the title."""
    sample = read_sample(path)
    title = TITLE.search(sample.decode(_find_charset(sample), "replace"))
    text = etree.HTML(f"<p>{title[1]}</p>").xpath("string()") if title and title[1].strip() else None
    return Probe(kind="document", mime="text/html", technical={"title": str(text)} if text else {})


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the main text of a page. Raises Refusal when it is too large to be read as one."""
    if path.stat().st_size > BYTES_MAX:
        raise Refusal(f"The web page is larger than {BYTES_MAX >> 20} MB.")
    yield Progress(share=0.0, doing="reading")
    charset = _find_charset(read_sample(path))
    text = "".join(piece.text for piece in read_pieces(path, charset))
    parser = make_parser()
    tree = parse(text, parser)
    yield Progress(share=0.5, doing="reading")
    if any(error.type_name == TOO_DEEP for error in parser.error_log):
        yield Note(text=READ_FLAT)
        yield from compose(list_flat(text))
    elif tree is not None:
        yield from compose(list_elements(tree))


def _find_charset(sample: bytes) -> str:
    """What the page says of itself counts where its bytes do not tell."""
    found = find_encoding(sample) or "cp1252"
    said = CHARSET.search(sample)
    if said is None or found.startswith("utf"):
        return found
    try:
        "".encode(said[1].decode("ascii"))
    except LookupError:
        return found
    return said[1].decode("ascii")


def make_parser() -> etree.HTMLParser[etree._Element]:
    """A parser that is not stopped by long texts; elements within more than 2,048 others it does not read."""
    return etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)


def parse(text: str, parser: etree.HTMLParser[etree._Element] | None = None) -> etree._Element | None:
    """The tree of a page; None when there is none in it."""
    data = text.replace("\0", " ").encode("utf-8", "replace")
    return etree.fromstring(data, parser or make_parser()) if data.strip() else None


def list_flat(text: str) -> Iterator[Element]:
    """The paragraphs of a page that is no tree: what stands between its tags."""
    said: list[str] = []
    skipped = ""
    for piece in PIECES.split(text):
        tag = TAG.match(piece)
        if tag is None:
            said.append("" if skipped else piece)
            continue
        name = tag["name"].lower()
        if skipped:
            skipped = "" if tag["end"] and name == skipped else skipped
        elif name in NEVER_READ and not tag["end"]:
            skipped = name
        elif name in ENDS_LINE:
            yield from _write_flat(said)
            said = []
    yield from _write_flat(said)


def _write_flat(said: list[str]) -> Iterator[Element]:
    words = SPACES.sub(" ", unescape("".join(said))).strip()
    if words:
        yield Paragraph(words)


def parse_bytes(data: bytes) -> etree._Element | None:
    """The tree of a page, in whatever encoding."""
    return parse(decode(data))


def list_elements(tree: etree._Element) -> Iterator[Element]:
    """The headings and paragraphs of a page's main part; of all of it, when little is left of it so."""
    elements = list(Walk(leaves_out=True).walk(_find_main(tree)))
    left = sum(len(element.text) for element in elements if isinstance(element, Heading | Paragraph))
    if left < LEFT_CHARACTERS:
        whole = list(Walk(leaves_out=False).walk(tree))
        total = sum(len(element.text) for element in whole if isinstance(element, Heading | Paragraph))
        elements = whole if left < total * LEFT_SHARE_MIN else elements
    yield from elements


def _find_main(tree: etree._Element) -> etree._Element:
    """The part that the page calls its main one, unless most of the text stands elsewhere."""
    found = [part for part in tree.iter("main", "article", "div") if _is_main(part)]
    if len(found) != 1:
        found = list(tree.iter("main"))[:1]
    body = tree.find("body")
    if not found or body is None:
        return tree
    return found[0] if _count(found[0]) > MAIN_SHARE_MIN * _count(body) else tree


def _is_main(part: etree._Element) -> bool:
    return part.tag in ("main", "article") or part.get("role") == "main"


def _count(part: etree._Element) -> int:
    return sum(len(SPACES.sub("", text)) for text in part.itertext())


class Walk:
    """A walk through the tree of a page, which gives its headings and paragraphs."""

    def __init__(self, *, leaves_out: bool) -> None:
        self._leaves_out = leaves_out
        self._text: list[str] = []
        self._cells: list[str] = []
        self._preserved = 0
        self._mark = ""

    def walk(self, root: etree._Element) -> Iterator[Element]:
        """Go through a tree, however deep it is."""
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            if not isinstance(node.tag, str):
                continue
            tag = node.tag.rpartition("}")[2].lower()
            if event == "start":
                yield from self._start(node, tag)
                if self._is_left_out(node, tag) and node is not root:
                    walk.skip_subtree()
                else:
                    self._write(node.text)
            else:
                yield from self._end(tag)
                if node is not root:
                    self._write(node.tail)
        yield from self._flush()

    def _is_left_out(self, node: etree._Element, tag: str) -> bool:
        if tag in NEVER_READ:
            return True
        if not self._leaves_out:
            return False
        is_hidden = node.get("hidden") is not None or node.get("aria-hidden") == "true"
        is_banner = tag == "header" and node.find(".//h1") is None and node.find(".//{*}h1") is None
        return is_hidden or is_banner or tag in LEFT_OUT or (node.get("role") or "").lower() in ROLES_LEFT_OUT

    def _start(self, node: etree._Element, tag: str) -> Iterator[Element]:
        if tag in BLOCKS or tag in HEADINGS:
            yield from self._flush()
        match tag:
            case "pre":
                self._preserved += 1
            case "li":
                self._mark = "- "
            case "br":
                self._text.append("\n")

    def _end(self, tag: str) -> Iterator[Element]:
        if tag in HEADINGS:
            text = self._take()
            if text:
                yield Heading(HEADINGS[tag], text)
        elif tag in CELLS:
            self._cells.append(" ".join(self._take().split()))
        elif tag == "tr":
            row = " | ".join(self._cells)
            self._cells = []
            if row.strip(" |"):
                yield Paragraph(row, is_row=True)
        elif tag in BLOCKS and not self._cells:
            yield from self._flush()
        if tag == "pre":
            self._preserved -= 1

    def _write(self, text: str | None) -> None:
        if text:
            self._text.append(text if self._preserved else SPACES.sub(" ", text))

    def _take(self) -> str:
        text = "".join(self._text)
        self._text = []
        lines = text.split("\n")
        return (
            text.strip("\n") if self._preserved else "\n".join(SPACES.sub(" ", line).strip() for line in lines).strip()
        )

    def _flush(self) -> Iterator[Element]:
        text = self._take()
        if text:
            yield Paragraph(self._mark + text, is_row=bool(self._mark))
            self._mark = ""
