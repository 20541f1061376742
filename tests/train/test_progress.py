import io
import time

import pytest
from rich.console import Console

from cajax.train import progress
from cajax.train.progress import Reporter


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, force_jupyter=False, width=120, _environ={})


def run(out: Console, steps: int = 4, done: int | None = None, pause: float = 0.0, enabled=None) -> str:
    with Reporter(steps, 0, enabled, out) as reporter:
        for k in range(steps if done is None else done):
            time.sleep(pause)
            reporter.update(k + 1, 0.5**k)
    return out.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_short_run_says_nothing(terminal):
    assert run(console(terminal)) == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_silence_is_kept_when_asked_for(terminal, monkeypatch):
    monkeypatch.setattr(progress, "QUIET", 0.01)
    monkeypatch.setattr(progress, "EVERY", 0.01)
    assert run(console(terminal), pause=0.02, enabled=False) == ""


def test_without_a_terminal_a_plain_line_comes_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "QUIET", 0.1)
    monkeypatch.setattr(progress, "EVERY", 0.15)
    lines = run(console(False), steps=20, done=10, pause=0.05).splitlines()
    assert 2 <= len(lines) <= 10
    assert lines[0].startswith("step ")
    assert "/20  loss " in lines[0]
    assert "steps/s, 0:0" in lines[-1]
    assert "left" in lines[-1]
    assert "\x1b" not in "".join(lines)


def test_a_bar_appears_on_a_terminal_even_before_the_first_step(monkeypatch):
    monkeypatch.setattr(progress, "QUIET", 0.05)
    out = console(True)
    with Reporter(4, 0, None, out) as reporter:
        give_up = time.monotonic() + 10.0
        while "compiling" not in out.file.getvalue() and time.monotonic() < give_up:
            time.sleep(0.01)
        assert "compiling" in out.file.getvalue()
        reporter.update(1, 0.25)
        time.sleep(0.01)
        reporter.update(4, 0.125)
    text = out.file.getvalue()
    assert "4/4" in text
    assert "loss 0.125" in text
    assert "steps/s" in text


def test_a_resumed_run_counts_from_where_it_began():
    out = console(False)
    with Reporter(10, 6, True, out) as reporter:
        reporter.update(7, 1.0)
        time.sleep(0.02)
        reporter.update(8, 1.0)
    line = out.file.getvalue()
    assert line.startswith("step 8/10  loss 1  ")
    rate = float(line.split("loss 1  ")[1].split()[0])
    assert rate <= 50.0
