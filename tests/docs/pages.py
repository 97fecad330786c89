"""The documentation as a reader finds it: pages, their links, headings and code blocks."""

import re
import subprocess
from functools import cache
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
_RUN = "<!-- run -->"


class Block(Struct, frozen=True):
    """One fenced code block; ``is_marked`` if the line above it asks that it be run."""

    page: str
    line: int
    language: str
    code: str
    is_marked: bool


@cache
def tracked() -> tuple[Path, ...]:
    """Return every file that is, or is about to be, part of the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


@cache
def markdown() -> tuple[Path, ...]:
    """Return every Markdown page of the repository."""
    return tuple(path for path in tracked() if path.suffix == ".md")


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()].rstrip("\n").rsplit("\n", 1)[-1]
        found.append(
            Block(
                page=page.relative_to(ROOT).as_posix(),
                line=text.count("\n", 0, match.start()) + 1,
                language=match["language"],
                code=match["code"],
                is_marked=before == _RUN,
            )
        )
    return found


def links(page: Path) -> list[str]:
    """Return the targets of a page's links that stay inside the repository."""
    prose = _FENCE.sub("", page.read_text("utf-8"))
    targets = [match["target"] for match in _LINK.finditer(prose)]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings give, as GitHub makes them."""
    prose = _FENCE.sub("", page.read_text("utf-8"))
    return {anchor(match["text"]) for match in _HEADING.finditer(prose)}


def anchor(heading: str) -> str:
    """Return the anchor of a heading: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
