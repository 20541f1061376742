"""The documentation is true: every python block runs and prints what is shown under it, and every link leads somewhere.

The blocks of a page share one namespace and an empty working folder. A ```text block right after a python block is its
output, word for word; runs of spaces and the length of rules do not count.
"""

import contextlib
import gc
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = DOCS.parent / "README.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """A python block, the line it starts on, and the output that the page promises, if any."""

    code: str
    line: int
    output: str | None


def blocks(text: str) -> list[Block]:
    fences = list(FENCE.finditer(text))
    found = []
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] != "python":
            continue
        follows = after is not None and after[1] == "text" and not text[fence.end() : after.start()].strip()
        line = text.count("\n", 0, fence.start(2)) + 1
        found.append(Block(fence[2], line, after[2] if after is not None and follows else None))
    return found


def words(text: str) -> list[list[str]]:
    return [line.split() for line in re.sub("─+", "─", text).splitlines() if line.strip()]


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda p: p.stem)
def test_python_blocks_run_and_print_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gc.collect()  # NEURON holds one world: what an earlier page has built there goes with its names
    found = blocks(page.read_text(encoding="utf-8"))
    assert found, f"{page.name} has no python block"
    names: dict[str, object] = {"__name__": f"docs_{page.stem}"}
    for block in found:
        out = io.StringIO()
        # The blank lines make tracebacks name the line of the page.
        program = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
        with contextlib.redirect_stdout(out):
            exec(program, names)
        if block.output is not None:
            assert words(out.getvalue()) == words(block.output), f"{page.name}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_index_lists_every_page():
    listed = set(LINK.findall((DOCS / "index.md").read_text(encoding="utf-8")))
    missing = {p.name for p in PAGES} - {"index.md"} - listed
    assert not missing, f"not in docs/index.md: {sorted(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_fences_are_closed(page):
    text = page.read_text(encoding="utf-8")
    assert len(FENCE.findall(text)) * 2 == len(re.findall(r"^```", text, re.MULTILINE))


def test_every_promise_names_tests_that_exist():
    named = re.findall(
        r"`([\w/]+(?:\.py)?/?)(?:::(\w+))?`", (DOCS / "promises.md").read_text(encoding="utf-8")
    )
    tests = [(path, name) for path, name in named if path.endswith((".py", "/"))]
    assert len(tests) > 25
    for path, name in tests:
        place = Path(__file__).parent / path
        assert place.exists(), path
        assert not name or f"def {name}(" in place.read_text(encoding="utf-8"), f"{path}::{name}"
