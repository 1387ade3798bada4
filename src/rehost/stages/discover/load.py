"""Processors, memory and how busy they are."""

from dataclasses import dataclass

from rehost.errors import BadFormat
from rehost.stages.discover.survey import Survey

KIB = 1024
# Fields of a disk in /proc/diskstats (Documentation/admin-guide/iostats.rst), from its name on.
READS, READ_MS = 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """Processor time since boot, of all processors and of this process, in clock ticks."""

    total: int
    idle: int
    own: int


def read_ticks(survey: Survey) -> Ticks:
    """Raises HostError. Formats: proc_stat(5), proc_pid_stat(5)."""
    line = survey.text("/proc/stat").partition("\n")[0].split()
    own = survey.text("/proc/self/stat").rpartition(")")[2].split()
    try:
        # guest time, from the ninth number on, is counted in user time already.
        times = [int(n) for n in line[1:9]]
        return Ticks(total=sum(times), idle=sum(times[3:5]), own=sum(int(n) for n in own[11:15]))
    except (ValueError, IndexError) as e:
        raise BadFormat("/proc/stat or /proc/self/stat has no times") from e


def usage_since(survey: Survey, before: Ticks | None) -> float | None:
    """Percent of all processors, without this process. Raises HostError."""
    return usage(before, read_ticks(survey)) if before else None


def usage(before: Ticks, after: Ticks) -> float:
    """Raises BadFormat if no tick went by."""
    total = after.total - before.total
    if total <= 0:
        raise BadFormat("no clock tick went by while looking")
    busy = total - (after.idle - before.idle) - (after.own - before.own)
    return round(min(100.0, max(0.0, 100 * busy / total)), 1)


def processors(survey: Survey) -> tuple[int, str]:
    """How many there are, and their model, "" if the kernel does not name it."""
    lines = survey.host.grep("/proc/cpuinfo", r"^(processor\s*:|model name|cpu model|Model\s)")
    count = sum(line.startswith("processor") for line in lines)
    models = [line.partition(":")[2].strip() for line in lines if not line.startswith("processor")]
    return count, " ".join(models[0].split()) if models else ""


def memory(survey: Survey) -> tuple[int, int]:
    """Bytes in all, and bytes that a new process could have. Raises HostError."""
    lines = survey.host.grep("/proc/meminfo", r"^(MemTotal|MemFree|MemAvailable|Buffers|Cached):")
    sizes = {name: _kib(rest) for name, _, rest in (line.partition(":") for line in lines)}
    # Kernels before 3.14 do not count what is available.
    guess = sum(sizes.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))
    return sizes.get("MemTotal", 0), sizes.get("MemAvailable", guess)


def read_wait_ms(survey: Survey, disks: set[str]) -> float:
    """The mean time of a read of these disks since boot. Raises HostError."""
    rows = (line.split()[2:] for line in survey.text("/proc/diskstats").splitlines())
    found = [row for row in rows if row and row[0] in disks]
    try:
        reads = sum(int(row[READS]) for row in found)
        wait_ms = sum(int(row[READ_MS]) for row in found)
    except (ValueError, IndexError) as e:
        raise BadFormat("/proc/diskstats is not as documented") from e
    return round(wait_ms / reads, 3) if reads else 0.0


def _kib(text: str) -> int:
    digits = text.split(maxsplit=1)[0] if text.split() else ""
    if not digits.isdecimal():
        raise BadFormat(f"/proc/meminfo holds no number: {text[:100]!r}")
    return int(digits) * KIB
