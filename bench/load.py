"""Load on a server on loopback: wrk for rates, a paced client for many agents."""

import asyncio
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


# The agent, which tells the largest memory of its own at the end: what wait4 tells begins with the
# memory of the process that forked.
AGENT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1] / "src")!r})
from rehost.agent.__main__ import main
status = main()
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak.split()[1], file=sys.stderr)
sys.exit(status)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the agent; CPU time with its children's, memory without."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def run_agent(*arguments: str) -> Run:
    words = [sys.executable, "-I", "-S", "-c", AGENT, *arguments]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(
        output=done.stdout,
        seconds=seconds,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_mib=int(done.stderr.split()[-1]) / 1024,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    per_second: float
    p50: float  # seconds
    p99: float


def rate(url: str, token: str, *, seconds: int, connections: int = 32) -> Rate:
    """Requests per second of GET `url`. Raises if any answer was an error."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"]
    text = subprocess.run(
        [*words, "-H", f"X-Auth-Token: {token}", url], check=True, capture_output=True, text=True
    ).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    percentiles = {
        p: float(v) * UNITS[u] for p, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", text)
    }
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found is not None, text
    return Rate(per_second=float(found[1]), p50=percentiles["50"], p99=percentiles["99"])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children so far."""
    total = 0.0
    for process in _family(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(c) for child in children for c in _family(int(child)))]


async def poll(
    port: int, agents: Sequence[tuple[str, str]], *, interval_s: float, rounds: int
) -> list[float]:
    """Each agent (source id, token) polls every `interval_s`; returns the latencies, seconds."""
    latencies: list[float] = []
    lanes = 50
    start = time.monotonic() + 0.5
    pace = interval_s / len(agents)

    async def lane(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for turn in range(rounds):
            for index in range(number, len(agents), lanes):
                due = start + turn * interval_s + index * pace
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                latencies.append(await _poll_once(reader, writer, *agents[index]))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(lane(n) for n in range(lanes)))
    return latencies


async def _poll_once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source_id: str, token: str
) -> float:
    began = time.monotonic()
    writer.write(
        f"GET /v3/sources/{source_id}/command HTTP/1.1\r\n"
        f"Host: localhost\r\nX-Auth-Token: {token}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    await reader.readexactly(int(length[1]))
    return time.monotonic() - began
