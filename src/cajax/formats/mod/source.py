"""The text of a .mod file with its INCLUDEs in place, and the guards before anything parses it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from .faults import AtLine, ModError

LARGEST = 2**20
"""Bytes of a file with all that it includes; the longest published ones have a tenth."""
DEEPEST = 100
"""No parentheses or blocks are nested more deeply: the parser's own stack is no concern of a file."""
LONGEST = 4000
"""No statement has more words and signs."""
INCLUDES = 50

_INCLUDE = re.compile(r'^[ \t]*INCLUDE[ \t]*"([^"\n]*)"', re.MULTILINE)
_TOKEN = re.compile(r"[A-Za-z_]\w*|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\S")
_HIDDEN = re.compile(
    r"^[ \t]*COMMENT\b.*?^[ \t]*ENDCOMMENT\b|\bVERBATIM\b.*?\bENDVERBATIM\b|[:?][^\n]*",
    re.MULTILINE | re.DOTALL,
)


@final
@dataclass(frozen=True)
class Source:
    """A flattened text; `origins[k]` is the file and the line of its line k + 1."""

    text: str
    origins: tuple[tuple[str, int], ...]

    def where(self, line: int) -> str:
        """Return "file:line" of a line of the text; the last line for one beyond the end."""
        if not self.origins:
            return "the file"
        name, number = self.origins[min(max(line, 1), len(self.origins)) - 1]
        return f"{name}:{number}"

    def fault(self, error: AtLine) -> ModError:
        """Return the error of the file for a fault on a line of the text."""
        return ModError(f"{self.where(error.line)}: {error.text}")


def read_source(path: Path) -> Source:
    """Return the text of a file with the files that it includes; raises `ModError`."""
    lines: list[str] = []
    origins: list[tuple[str, int]] = []
    _flatten(path, (), lines, origins, "")
    return checked(Source("\n".join(lines) + "\n", tuple(origins)))


def text_source(text: str, name: str) -> Source:
    """Return the source of a text that is there already."""
    lines = text.splitlines()
    return checked(Source("\n".join(lines) + "\n", tuple((name, k + 1) for k in range(len(lines)))))


def _flatten(
    path: Path, above: tuple[Path, ...], lines: list[str], origins: list[tuple[str, int]], asked: str
) -> None:
    content = _content(path, asked)
    if path.resolve() in above:
        raise ModError(f"{asked}: '{path.name}' includes itself; take the INCLUDE out")
    if len(above) >= INCLUDES:
        raise ModError(f"{asked}: more than {INCLUDES} files include one another; put them into one")
    hidden = [m.span() for m in _HIDDEN.finditer(content)]
    included = {
        content.count("\n", 0, m.start(1)): m[1]
        for m in _INCLUDE.finditer(content)
        if not any(a <= m.start(1) < b for a, b in hidden)
    }
    for k, line in enumerate(content.splitlines()):
        if k in included:
            here = f"{path.name}:{k + 1}"
            _flatten(_beside(path, included[k], here), (*above, path.resolve()), lines, origins, here)
        else:
            lines.append(line)
            origins.append((path.name, k + 1))
        if len(lines) > LARGEST:
            raise ModError(f"{path.name}:{k + 1}: too long with all that it includes; split it")


def _beside(path: Path, name: str, here: str) -> Path:
    """Return an included file: only of the folder of the file that includes it, or below."""
    target = path.parent / name
    if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ModError(f"{here}: INCLUDE {name!a:.80} leads out of the folder; put the file beside this one")
    return target


def _content(path: Path, asked: str) -> str:
    at = f"{asked}: " if asked else ""
    try:
        if not path.is_file():
            raise ModError(f"{at}there is no file {str(path)!a:.200}; give the path of a .mod file")
        if path.stat().st_size > LARGEST:
            raise ModError(
                f"{at}{path.name}:1: has {path.stat().st_size:,} bytes, more than {LARGEST:,}; no mechanism needs that"
            )
        return path.read_bytes().decode("utf-8", errors="replace").lstrip("\ufeff")
    except (OSError, ValueError) as error:
        raise ModError(f"{at}cannot read {str(path)!a:.200}: {error}") from None


def visible(text: str) -> str:
    """Return the text with comments and C code blanked, line for line; where C code begins it still says VERBATIM."""

    def blank(m: re.Match[str]) -> str:
        kept = "VERBATIM" if m[0].startswith("VERBATIM") else ""
        return kept + re.sub(r"[^\n]", " ", m[0][len(kept) :])

    return _HIDDEN.sub(blank, text)


def tokens(text: str) -> list[tuple[str, int]]:
    """Return the words and signs of a text with their lines, without comments and C code."""
    found = []
    for number, line in enumerate(visible(text).split("\n"), 1):
        found += [(m[0], number) for m in _TOKEN.finditer(line)]
    return found


def checked(source: Source) -> Source:
    """Return the source if no parser can stumble over its size or depth; raises `ModError`."""
    if len(source.text) > LARGEST:
        raise ModError(f"{source.where(1)}: more than {LARGEST:,} characters; no mechanism needs that")
    if "\0" in source.text:
        line = source.text.count("\n", 0, source.text.index("\0")) + 1
        raise ModError(f"{source.where(line)}: holds a zero character; this is no .mod file")
    depth, run = 0, 0
    for token, line in tokens(source.text):
        run = 0 if token in "{}=" else run + 1
        depth += (token in "({[") - (token in ")}]")
        if depth > DEEPEST:
            raise ModError(
                f"{source.where(line)}: nested more than {DEEPEST} deep; write it in several statements"
            )
        if run > LONGEST:
            raise ModError(f"{source.where(line)}: a statement of more than {LONGEST} words; split it")
    return source
