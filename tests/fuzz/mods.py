"""Spoiled .mod files: words exchanged, pieces cut out or moved, ends cut off, files that include others or themselves.

Each is read as a class that works, or is refused in one line that begins with the file and the line.

    python tests/fuzz/mods.py --seed 0 --count 5000 --seconds 1800
"""

import random
import re
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script

import jax

import cajax as cx
from cajax.base.errors import CajaxError
from tests.fuzz.pool import Try, main

FILES = Path(__file__).resolve().parents[1] / "formats" / "mod" / "files"
WORDS = (
    "(", ")", "{", "}", "'", "[", "]", "=", "/", "^", "-", "~", "<->", "<<", ":", "?", ",", "!", "&&", "<", "0", "1e9",
    "-1", "1e400", "n", "v", "t", "dt", "celsius", "exp", "log", "IF", "ELSE", "WHILE", "FROM i=0 TO 9", "LOCAL x",
    "SOLVE", "METHOD euler", "STATE", "TABLE", "CONSERVE", "VERBATIM", "ENDVERBATIM", "COMMENT", "POINTER p",
    "USEION ca", "READ cai", "WRITE ica", "NONSPECIFIC_CURRENT i", "NET_RECEIVE(w)", "net_send(1, 1)", "RANDOM r",
    "lambda", "self", "not", "é", "\x07", "__class__", "import", '"x"', "INITIAL {", "BREAKPOINT {", "FUNCTION f(x) {",
    "PROCEDURE p() {", "a" * 300,
)  # fmt: skip
HOSTILE = (
    'INCLUDE "../../../etc/passwd"', 'INCLUDE "mutant.mod"', 'INCLUDE "absent.inc"', 'INCLUDE "/dev/zero"', "(" * 500,
    "VERBATIM\nsystem(\"true\");\nENDVERBATIM", "x = " + "1+" * 3000 + "1", "DEFINE N 1000000000", "\x00",
)  # fmt: skip


@cache
def originals() -> list[str]:
    """Return the texts of files that are read."""
    return [path.read_text(encoding="utf-8") for path in sorted(FILES.glob("*.mod"))]


def attempt(random: random.Random, folder: Path) -> str:
    """Spoil a text and read it; what is read must say what it is made of."""
    text, path = random.choice(originals()), folder / "mutant.mod"
    for _ in range(random.randint(1, 3)):
        text = spoilt(text, random)
    path.write_text(text, encoding="utf-8")
    try:
        made = cx.read_mod(path)
    except CajaxError as error:
        if not re.match(r"\S+:\d+: .", str(error)):
            raise ValueError(f"no place in '{error}'") from None
        raise
    made().check()
    return made.__name__


def spoilt(text: str, random: random.Random) -> str:
    """Return a text with one fault."""
    at, length = random.randrange(len(text) + 1), random.randint(0, 12)
    match random.randrange(6):
        case 0 | 1:
            return text[:at] + random.choice(WORDS) + text[at + length :]
        case 2:
            words = list(re.finditer(r"\w+", text))
            old, new = random.choice(words), random.choice(words)
            return text[: old.start()] + new[0] + text[old.end() :]
        case 3:
            lines = text.split("\n")
            lines.insert(random.randrange(len(lines)), lines.pop(random.randrange(len(lines))))
            return "\n".join(lines)
        case 4:
            return text[:at] + "\n" + random.choice(HOSTILE) + "\n" + text[at:]
    return text[: max(at, 1)] if random.random() < 0.3 else text[:at] + text[at + 10 * length :] + " "


def warm() -> Try:
    """Get ready to try inputs."""
    jax.config.update("jax_enable_x64", True)
    originals()
    return attempt


if __name__ == "__main__":
    main(__file__, warm)
