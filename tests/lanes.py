"""Which tests run when: a plugin that marks the slow ones, takes a share of them, and measures anew which they are.

`slow.txt` beside this file lists what takes more processor time than a quick look should; the marker `slow` stands for
the same at single tests. `pytest -m slow --share 3/10` runs the third tenth of them, by a hash of their names, and
`pytest -m '' --measure 2` runs everything and lists what takes more than two seconds.
"""

import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LIST = Path(__file__).with_name("slow.txt")
SPENT = "processor seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lanes")
    group.addoption("--share", metavar="K/N", help="run one share of N of the chosen tests, K from 0 on")
    group.addoption("--measure", metavar="SECONDS", type=float, help=f"write {LIST.name} anew")


def listed() -> set[str]:
    """The names of the slow tests: what follows the seconds in every line."""
    lines = LIST.read_text(encoding="utf-8").splitlines() if LIST.exists() else []
    return {line.partition(" ")[2] for line in lines}


def share_of(name: str, shares: int) -> int:
    """The share that a test belongs to, always the same one."""
    return zlib.crc32(name.encode()) % shares


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = listed()
    for item in items:
        if item.nodeid in slow:
            item.add_marker("slow")
    if share := config.getoption("share"):
        which, _, shares = share.partition("/")
        if not (which.isdecimal() and shares.isdecimal() and int(which) < int(shares)):
            raise pytest.UsageError(f"--share {share}: write K/N, such as 0/10 for the first of ten")
        left = [item for item in items if share_of(item.nodeid, int(shares)) != int(which)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if share_of(item.nodeid, int(shares)) == int(which)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    begin = time.process_time()
    result = yield
    item.config.stash.setdefault(SPENDING, {})[item.nodeid] = time.process_time() - begin
    return result


SPENDING = pytest.StashKey[dict[str, float]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    config: Any = session.config
    spent = config.stash.get(SPENDING, {})
    if hasattr(config, "workeroutput"):
        config.workeroutput[SPENT] = spent
    elif config.getoption("measure") is not None:
        for node in config.stash.get(WORKERS, []):
            spent |= node
        slow = sorted(name for name, seconds in spent.items() if seconds > config.getoption("measure"))
        LIST.write_text("".join(f"{spent[name]:.1f} {name}\n" for name in slow), encoding="utf-8")
        kept = sum(s for name, s in spent.items() if name not in slow)
        print(f"\n{LIST}: {len(slow)} of {len(spent)} tests; the others take {kept:.0f} s of processor time")


WORKERS = pytest.StashKey[list[dict[str, float]]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Collect what a worker of xdist has measured."""
    node.config.stash.setdefault(WORKERS, []).append(getattr(node, "workeroutput", {}).get(SPENT, {}))
