"""The embedded server's buffers follow the memory that the machine, the container or the service has."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.postgres import memory
from app.postgres.supervisor import embedded
from tests.postgres.conftest import answer


@pytest.mark.parametrize(
    ("memory_mb", "buffers_mb"), [(512, 128), (1_024, 128), (2_048, 256), (8_192, 1_024), (65_536, 1_024)]
)
def test_an_eighth_of_the_memory_within_bounds(memory_mb: int, buffers_mb: int) -> None:
    assert memory.buffers_of(memory_mb) == buffers_mb


@pytest.mark.parametrize(
    ("membership", "file", "limit", "found"),
    [
        ("0::/\n", "memory.max", str(2 << 30), 256),
        ("0::/\n", "memory.max", "max", 1_024),
        ("0::/system.slice/one.service\n", "system.slice/one.service/memory.max", str(2 << 30), 256),
        ("9:name=systemd:/\n4:memory:/a/b\n0::/\n", "memory/a/b/memory.limit_in_bytes", str(4 << 30), 512),
        ("4:memory:/a/b\n", "memory/memory.limit_in_bytes", str(1 << 30), 128),
    ],
)
def test_a_limit_of_the_container_or_the_service_counts(
    tmp_path: Path, membership: str, file: str, limit: str, found: int
) -> None:
    for path, text in (("proc/self/cgroup", membership), (f"sys/fs/cgroup/{file}", limit)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)

    assert memory.shared_buffers_mb(tmp_path, machine_mb=16_384) == found


def test_without_cgroups_the_machine_counts(tmp_path: Path) -> None:
    assert memory.shared_buffers_mb(tmp_path, machine_mb=4_096) == 512


async def test_the_server_starts_with_it(data_dir: Path) -> None:
    with embedded(data_dir) as server:
        told = await answer(server.dsn, "SELECT setting::int * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'")
    assert told == memory.shared_buffers_mb()
