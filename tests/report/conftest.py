"""One whole run and its page, made once for all tests of reports."""

from pathlib import Path

import pytest

from cajax.report import report

from .lines import Lines, finish


@pytest.fixture(scope="session")
def task() -> Lines:
    return Lines()


@pytest.fixture(scope="session")
def run(tmp_path_factory, task) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "lines-001"
    folder.mkdir()
    finish(folder, task)
    return folder


@pytest.fixture(scope="session")
def reported(run, task) -> Path:
    """Its report."""
    return report(run, task)


@pytest.fixture(scope="session")
def page(reported) -> str:
    """The text of the report."""
    return reported.read_text(encoding="utf-8")
