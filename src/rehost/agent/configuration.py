"""What operators set of a task, as a sender understands it."""

import os
from collections.abc import Mapping
from typing import Any

THREADS = "LINUX_BLOCK_COMPRESS_THREAD_NUM"
# The same of one command alone, where that is not set.
COPYING, SYNCHRONIZING = "NUM_PROCESS_MIGRATE", "NUM_PROCESS_SYNC"
IO = "LINUX_IO_LIMIT"
CPU = "LINUX_CPU_LIMIT"
MEMORY = "LINUX_MEM_LIMIT"
CACHE = "LINUX_BLOCK_CACHE_SIZE"
READ_ERRORS = "ON_READ_ERROR"
MOST_CONNECTIONS = 8
MB = 1_000_000


def wishes(wanted: Mapping[str, str], *, sync: bool) -> dict[str, Any]:
    """Parts of a job, as stages/replicate/job.py reads it; `wanted` is by the API's keys.

    `sync`: the job is to synchronize a target that was complete once. 0 is no limit, as in the
    API's speed limits, or what is usual.
    """
    options: dict[str, Any] = {}
    processes = SYNCHRONIZING if sync else COPYING
    if threads := _number(wanted, THREADS) or _number(wanted, processes):
        options["connections"] = min(MOST_CONNECTIONS, threads)
    if megabytes := _number(wanted, IO):
        options["read_rate"] = megabytes * MB
    if percent := _number(wanted, CPU):
        options["cpus"] = percent / 100 * (os.cpu_count() or 1)
    if megabytes := _number(wanted, MEMORY):
        options["memory"] = megabytes * MB
    if megabytes := _number(wanted, CACHE):
        options["cache"] = megabytes * MB
    skip = wanted.get(READ_ERRORS) == "skip"
    return {"on_read_error": "skip" if skip else "stop", "options": options}


def _number(wanted: Mapping[str, str], key: str) -> int:
    text = wanted.get(key, "")
    return int(text) if text.isdecimal() else 0
