"""A share of the fuzzing of morphologies, in seconds; the whole is a script."""

from pathlib import Path

from tests.fuzz.pool import GOOD, tried

SCRIPT = Path(__file__).with_name("morphologies.py")


def test_spoiled_files_are_read_or_refused_in_one_line():
    ended = list(tried(str(SCRIPT), seed=0, count=200, seconds=40.0, children=1))
    assert [x for x in ended if x[1] not in GOOD] == []
    assert {kind for _, kind, _ in ended} == set(GOOD)
