"""What operators set of a task, as a sender understands it."""

import os
from collections.abc import Mapping
from typing import Any

THREADS = "LINUX_BLOCK_COMPRESS_THREAD_NUM"
IO = "LINUX_IO_LIMIT"
CPU = "LINUX_CPU_LIMIT"
MEMORY = "LINUX_MEM_LIMIT"
CACHE = "LINUX_BLOCK_CACHE_SIZE"
READ_ERRORS = "ON_READ_ERROR"
MOST_CONNECTIONS = 8
MB = 1_000_000


def wishes(wanted: Mapping[str, str]) -> dict[str, Any]:
    """Parts of a job, as stages/replicate/job.py reads it; `wanted` is by the API's keys.

    0 is no limit, as in the API's speed limits, or what is usual.
    """
    options: dict[str, Any] = {}
    if threads := _number(wanted, THREADS):
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
