"""How much memory is free where a run will be: on the accelerator, else in main memory, within the job's limit."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax

UNKNOWN = 8 * 2**30
"""Taken for free, in bytes, where the system does not say."""

# Version of control groups → where they are mounted, and the names of limit, use and what of it can be reclaimed.
_GROUPS = {
    "": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_memory() -> int:
    """Return the free bytes of the device that JAX computes on by default; `UNKNOWN` where nobody says."""
    device = jax.config.jax_default_device or jax.devices()[0]  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(device, str):
        device = jax.devices(device)[0]
    if device.platform == "cpu":
        return host_memory()
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return UNKNOWN
    return max(0, stats["bytes_limit"] - stats.get("bytes_in_use", 0))


def all_memory() -> int:
    """Return the bytes of the whole memory where JAX computes by default, free or not; what no run can exceed."""
    device = jax.config.jax_default_device or jax.devices()[0]  # pyright: ignore[reportAttributeAccessIssue]
    device = jax.devices(device)[0] if isinstance(device, str) else device
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit", 64 * UNKNOWN)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 64 * UNKNOWN


def host_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of main memory that this process may still take: what is free, within its job's limit."""
    return min([_available(proc), *_left_in_groups(proc, groups)])


def _available(proc: Path) -> int:
    try:
        fields = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return UNKNOWN


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    """Yield what every control group above this process (a container, a batch job) leaves of its memory limit."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, inside = line.split(":", 2)
        kind = "memory" if "memory" in kinds.split(",") else kinds
        if kind not in _GROUPS:
            continue
        mount, *names = _GROUPS[kind]
        place = groups / mount / inside.lstrip("/")
        # Inside a container the path may be one of the host's, which is not seen; its mount is then the group.
        for folder in (place, *place.parents):
            if folder == groups.parent:
                break
            left = _left_in_group(folder, *names)
            if left is not None:
                yield left


def _left_in_group(folder: Path, limit: str, use: str, cache: str) -> int | None:
    try:
        most = (folder / limit).read_text().strip()
        if most == "max":
            return None
        used = int((folder / use).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, int(most) - used + int(stat.get(cache, 0)))
    except (OSError, ValueError):
        return None
