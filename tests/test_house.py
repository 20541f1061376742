"""The house itself: versions agree, pins are plain, and no file knows one particular machine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IGNORED = {".git", ".venv", ".cache", ".hypothesis", "__pycache__", "build", "dist", "runs"}
HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
    )
]
MACHINE = re.compile(r"(?<![\w.}~)-])/(?:work|root|home|Users|farm)/\w|/tmp/\w")
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!]*")


def ignored(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in IGNORED or part.endswith("_cache") for part in parts) or path.suffix in {".so", ".pyc"}


def tracked() -> list[Path]:
    """The files that belong to the project; without git, all but the known caches."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.returncode == 0:
            return [p for name in run.stdout.split("\0") if name and (p := ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not ignored(p)]


def texts() -> dict[str, str]:
    """Relative name → content of every tracked text file."""
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content[:4096]:
            found[str(path.relative_to(ROOT))] = content.decode("utf-8")
    return found


def offenders(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, content in texts().items()
        for number, line in enumerate(content.splitlines(), 1)
        if pattern.search(line)
    ]


def constraints() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def requirement_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_no_registry_hosts():
    found = offenders(re.compile("|".join(map(re.escape, HOSTS))))
    assert not found, "\n".join(found)


def test_no_machine_paths():
    found = offenders(MACHINE)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("line", ["/" + "root/x", "cd /" + "tmp/x", "at '/" + "home/ann'"])
def test_machine_paths_are_recognised(line):
    assert MACHINE.search(line)


@pytest.mark.parametrize("line", ["https://a.b/work/c", "../work/main", "~/home/x", "rate /root"])
def test_other_paths_are_left_alone(line):
    assert not MACHINE.search(line)


def test_constraints_are_plain_pins():
    wrong = [line for line in constraints() if not PIN.fullmatch(line)]
    assert not wrong, f"write name==version: {wrong}"
    names = [requirement_name(line) for line in constraints()]
    assert names == sorted(set(names)), "sort the pins by name, each once"


def test_every_dependency_is_pinned():
    pins = {requirement_name(line) for line in constraints()}
    extras = PROJECT["optional-dependencies"].values()
    wanted = {requirement_name(r) for group in (PROJECT["dependencies"], *extras) for r in group}
    missing = wanted - pins - {PROJECT["name"]}
    assert not missing, f"not in constraints.txt: {sorted(missing)}"


def test_version_is_the_same_everywhere():
    version = re.escape(PROJECT["version"])
    assert re.search(rf"^## {version}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)


def test_every_text_file_ends_with_one_newline():
    wrong = [name for name, content in texts().items() if content and not content.endswith("\n")]
    assert not wrong, f"no newline at the end: {wrong}"
