"""How busy the machine is while it copies, and how much of that is the copying. From /proc."""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SECTOR = 512  # of diskstats, whatever the disk's is
MB = 1_000_000
MBIT = MB / 8
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# The process may be gone, and old kernels say less.
UNREADABLE = (OSError, ValueError, LookupError, ArithmeticError)
# Whole disks: what is stacked on them would count their work twice.
DISK = re.compile(r"(sd|vd|xvd|hd)[a-z]+|nvme\d+n\d+|mmcblk\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Seconds of CPU and bytes of disk since ever: of the machine, and of one process."""

    at: float
    cpu_s: float
    own_cpu_s: float
    disk: int
    own_disk: int


class Usage:
    """Of one process beside all others, between two questions."""

    def __init__(self, pid: int, *, proc: Path = PROC) -> None:
        self._pid = pid
        self._proc = proc
        self._cores = os.cpu_count() or 1
        self._last = self._sample()

    def figures(self) -> dict[str, float]:
        """As PUT /v3/tasks/{task_id}/progress names them: percent of all CPUs, MB, Mbit/s. What
        cannot be read is left out."""
        before, self._last = self._last, self._sample()
        if before is None or self._last is None:
            return {}
        now, passed = self._last, max(self._last.at - before.at, 1e-3)
        share = 100 / passed / self._cores
        figures = {
            "total_cpu_usage": min(100.0, share * (now.cpu_s - before.cpu_s)),
            "agent_cpu_usage": min(100.0, share * (now.own_cpu_s - before.own_cpu_s)),
            "total_disk_io": (now.disk - before.disk) / passed / MBIT,
            "agent_disk_io": (now.own_disk - before.own_disk) / passed / MBIT,
            **dict(self._memory()),
        }
        return {name: round(max(0.0, value), 2) for name, value in figures.items()}

    def memory_share(self) -> float:
        """Percent of the machine's memory that is in use."""
        with contextlib.suppress(*UNREADABLE):
            total, available = self._of_meminfo()
            return round(100 * (total - available) / total, 2)
        return 0.0

    def _memory(self) -> Iterator[tuple[str, float]]:
        with contextlib.suppress(*UNREADABLE):
            total, available = self._of_meminfo()
            yield "total_mem_usage", (total - available) / MB
            pages = int(self._text(f"{self._pid}/statm").split()[1])
            yield "agent_mem_usage", pages * os.sysconf("SC_PAGE_SIZE") / MB

    def _sample(self) -> _Sample | None:
        """None once the process is gone."""
        with contextlib.suppress(*UNREADABLE):
            busy = [int(word) for word in self._text("stat").split("\n", 1)[0].split()[1:9]]
            # After the name, which may have spaces and brackets of its own.
            own = self._text(f"{self._pid}/stat").rpartition(")")[2].split()
            return _Sample(
                at=time.monotonic(),
                cpu_s=(sum(busy) - busy[3] - busy[4]) * TICK_S,
                own_cpu_s=(int(own[11]) + int(own[12])) * TICK_S,
                disk=sum(self._of_diskstats()),
                own_disk=self._own_disk(),
            )
        return None

    def _of_diskstats(self) -> Iterator[int]:
        for line in self._text("diskstats").splitlines():
            words = line.split()
            if DISK.fullmatch(words[2]):
                yield (int(words[5]) + int(words[9])) * SECTOR

    def _own_disk(self) -> int:
        rows = dict(line.split(": ") for line in self._text(f"{self._pid}/io").splitlines())
        return int(rows["read_bytes"]) + int(rows["write_bytes"])

    def _of_meminfo(self) -> tuple[int, int]:
        rows = dict(line.split(":", 1) for line in self._text("meminfo").splitlines())
        total, available = (int(rows[n].split()[0]) * 1024 for n in ("MemTotal", "MemAvailable"))
        return total, available

    def _text(self, file: str) -> str:
        return (self._proc / file).read_text()
