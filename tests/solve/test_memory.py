from types import SimpleNamespace

import jax
import pytest

from cajax.solve import memory
from cajax.solve.memory import UNKNOWN, free_memory, host_memory


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


@pytest.fixture
def system(tmp_path):
    """A system with 64 GiB free and no limits: its /proc and its control groups."""
    write(tmp_path / "proc", meminfo=f"MemTotal: 99999999 kB\nMemAvailable:   {64 * 2**20} kB")
    write(tmp_path / "groups", cgroup__controllers="memory")
    return tmp_path / "proc", tmp_path / "groups"


def test_this_machine_has_some():
    assert 2**20 < free_memory() < 2**50


def test_without_limits_it_is_what_is_available(system):
    assert host_memory(*system) == 64 * 2**30


def test_a_job_leaves_its_limit_less_what_it_uses_but_for_its_cache(system):
    proc, groups = system
    write(proc / "self", cgroup="0::/slurm/job/step")
    write(
        groups / "slurm/job", memory__max=2**30, memory__current=700, memory__stat="anon 1\ninactive_file 200"
    )
    write(groups / "slurm/job/step", memory__max="max", memory__current=700, memory__stat="inactive_file 200")
    assert host_memory(*system) == 2**30 - 500


def test_the_tightest_limit_counts(system):
    proc, groups = system
    write(proc / "self", cgroup="0::/job/step")
    write(groups / "job", memory__max=1000, memory__current=100, memory__stat="x 0")
    write(groups / "job/step", memory__max=5000, memory__current=100, memory__stat="x 0")
    assert host_memory(*system) == 900


def test_the_older_kind_of_groups(system):
    proc, groups = system
    write(proc / "self", cgroup="8:cpu:/a\n4:memory:/job\n0::/")
    names = {"memory__limit_in_bytes": 4000, "memory__usage_in_bytes": 1500}
    write(groups / "memory/job", **names, memory__stat="total_inactive_file 500")
    assert host_memory(*system) == 3000


def test_inside_a_container_the_mount_is_the_group(system):
    proc, groups = system
    write(proc / "self", cgroup="0::/unseen/path")
    write(groups, memory__max=3000, memory__current=1000, memory__stat="inactive_file 0")
    assert host_memory(*system) == 2000


def test_a_full_job_leaves_nothing(system):
    proc, groups = system
    write(proc / "self", cgroup="0::/job")
    write(groups / "job", memory__max=1000, memory__current=2000, memory__stat="inactive_file 0")
    assert host_memory(*system) == 0


def test_a_system_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert host_memory(tmp_path, tmp_path) == UNKNOWN


@pytest.mark.parametrize(
    ("stats", "free"),
    [
        ({"bytes_limit": 1000, "bytes_in_use": 300}, 700),
        ({"bytes_limit": 10, "bytes_in_use": 30}, 0),
        (None, UNKNOWN),
    ],
)
def test_an_accelerator_has_its_own_memory(stats, free, monkeypatch):
    device = SimpleNamespace(platform="gpu", memory_stats=lambda: stats)
    monkeypatch.setattr(memory.jax, "devices", lambda *_: [device])
    assert free_memory() == free


def test_the_default_device_may_be_named(monkeypatch):
    monkeypatch.setattr(memory, "host_memory", lambda: 123)
    with jax.default_device("cpu"):
        assert free_memory() == 123
    with jax.default_device(jax.devices("cpu")[0]):
        assert free_memory() == 123
