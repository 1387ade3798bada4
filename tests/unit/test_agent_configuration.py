import os

import pytest

from rehost.agent.configuration import wishes
from rehost.stages.replicate import job

NOTHING = {"on_read_error": "stop", "options": {}}


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"LINUX_IO_LIMIT": "0", "LINUX_CPU_LIMIT": "0", "LINUX_BLOCK_COMPRESS_THREAD_NUM": "0"},
        {"LINUX_IO_LIMIT": "-3", "LINUX_CPU_LIMIT": "fast", "ON_READ_ERROR": "guess"},
        {"LINUX_MEM_LIMIT": "0", "LINUX_BLOCK_CACHE_SIZE": "0", "SOMETHING": "else"},
    ],
    ids=str,
)
def test_what_is_not_understood_changes_nothing(wanted):
    assert wishes(wanted, sync=False) == NOTHING


def test_limits_are_in_the_units_of_a_sender():
    keys = {"LINUX_IO_LIMIT": "30", "LINUX_CPU_LIMIT": "50"}
    cpus = 0.5 * (os.cpu_count() or 1)
    assert wishes(keys, sync=False)["options"] == {"read_rate": 30_000_000, "cpus": cpus}


def test_memory_is_in_megabytes():
    keys = {"LINUX_MEM_LIMIT": "100", "LINUX_BLOCK_CACHE_SIZE": "20"}
    assert wishes(keys, sync=False)["options"] == {"memory": 100_000_000, "cache": 20_000_000}


def test_threads_are_connections_and_not_too_many():
    assert wishes({"LINUX_BLOCK_COMPRESS_THREAD_NUM": "3"}, sync=False)["options"] == {
        "connections": 3
    }
    assert wishes({"LINUX_BLOCK_COMPRESS_THREAD_NUM": "99"}, sync=False)["options"] == {
        "connections": 8
    }


@pytest.mark.parametrize(
    ("keys", "first", "later"),
    [
        ({"NUM_PROCESS_MIGRATE": "3"}, 3, None),
        ({"NUM_PROCESS_SYNC": "2"}, None, 2),
        ({"NUM_PROCESS_MIGRATE": "3", "NUM_PROCESS_SYNC": "99"}, 3, 8),
        ({"NUM_PROCESS_MIGRATE": "3", "LINUX_BLOCK_COMPRESS_THREAD_NUM": "5"}, 5, 5),
        ({"NUM_PROCESS_MIGRATE": "3", "LINUX_BLOCK_COMPRESS_THREAD_NUM": "0"}, 3, None),
    ],
    ids=str,
)
def test_processes_of_a_command_are_its_connections(keys, first, later):
    assert wishes(keys, sync=False)["options"].get("connections") == first
    assert wishes(keys, sync=True)["options"].get("connections") == later


def test_a_sender_reads_what_is_wished():
    keys = {"LINUX_IO_LIMIT": "30", "LINUX_CPU_LIMIT": "50", "ON_READ_ERROR": "skip"}
    content = {
        "task_id": "t",
        "host": "h",
        "port": 1,
        "tls": None,
        "disks": [],
        **wishes(keys, sync=False),
    }
    parsed = job.parse_job(content)
    assert parsed.on_read_error == "skip"
    assert parsed.options.read_rate == 30_000_000
