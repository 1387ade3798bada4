"""The bpf and perf_event_open system calls, through ctypes: no library, no compiler.

All that is made here lives as long as its file descriptor: the kernel takes it away when the
process that holds it ends, however it ends.
"""

import ctypes
import fcntl
import os
import platform
import resource
import struct
from pathlib import Path

SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
# linux/bpf.h: commands
MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, PROG_LOAD = 0, 1, 2, 5
PROG_NEXT_ID, MAP_NEXT_ID, PROG_FD_BY_ID, INFO_BY_FD, RAW_TRACEPOINT_OPEN = 11, 12, 13, 15, 17
# map types
MAP_TYPE_HASH, MAP_TYPE_ARRAY, MAP_TYPE_PERCPU_ARRAY = 1, 2, 6
F_MMAPABLE = 1 << 10
# program types
TRACEPOINT, RAW_TRACEPOINT, TRACING = 5, 17, 26
TRACE_RAW_TP = 23
MAP_LOOKUP_ELEM = 1  # the one helper that is called
LICENCE = "Apache-2.0"
LOG_SIZE = 1 << 20
PERF_TYPE_TRACEPOINT = 2
PERF_FLAG_FD_CLOEXEC = 8
PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF = 0x2400, 0x40042408
PERF_ATTRIBUTES = 112  # bytes, of the 4.1 kernel; later ones take it
# bpf_prog_info: run_time_ns, recursion_misses
RUN_TIME_AT, MISSES_AT, INFO_SIZE = 192, 208, 224

_libc = ctypes.CDLL(None, use_errno=True)


def works() -> bool:
    """A map of one entry can be made; it is gone again when this returns."""
    try:
        fd = create_map(MAP_TYPE_ARRAY, key_size=4, value_size=4, entries=1)
    except OSError:
        return False
    os.close(fd)
    return True


def create_map(kind: int, *, key_size: int, value_size: int, entries: int, flags: int = 0) -> int:
    """The descriptor of a new map. Raises OSError."""
    attributes = struct.pack("<5I", kind, key_size, value_size, entries, flags)
    return _bpf(MAP_CREATE, attributes)


def update(map_fd: int, key: bytes, value: bytes) -> None:
    key_memory, value_memory = _memory(key), _memory(value)
    _bpf(MAP_UPDATE, _element(map_fd, key_memory, value_memory))


def lookup(map_fd: int, key: bytes, size: int) -> bytes:
    """The value of a key that is there; for a per-CPU map, of all possible CPUs."""
    key_memory, value = _memory(key), ctypes.create_string_buffer(size)
    _bpf(MAP_LOOKUP, _element(map_fd, key_memory, value))
    return value.raw


def load(
    kind: int, code: bytes, *, attach_type: int = 0, btf_id: int = 0, licence: str = LICENCE
) -> int:
    """The descriptor of a program. Raises OSError, with the verifier's last words."""
    instructions, terms = _memory(code), _memory(licence.encode() + b"\0")
    try:
        return _bpf(PROG_LOAD, _program(kind, instructions, terms, attach_type, btf_id))
    except OSError:
        # Asked only now: a log that is too small for a good program would refuse it.
        log = ctypes.create_string_buffer(LOG_SIZE)
        try:
            return _bpf(PROG_LOAD, _program(kind, instructions, terms, attach_type, btf_id, log))
        except OSError as e:
            said = log.value.decode(errors="replace").strip().splitlines()[-3:]
            raise OSError(e.errno, "; ".join([e.strerror or "", *said])) from e


def open_raw_tracepoint(program_fd: int, name: str = "") -> int:
    """Run the program at each event. A typed program knows the event, and takes no name."""
    memory = _memory(name.encode() + b"\0")
    address = ctypes.addressof(memory) if name else 0
    return _bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QII", address, program_fd, 0))


def attach_to_event(event_id: int, program_fd: int) -> int:
    """Run the program at each event, on all CPUs. Closing the descriptor ends it."""
    attributes = struct.pack("<IIQQ", PERF_TYPE_TRACEPOINT, PERF_ATTRIBUTES, event_id, 1)
    memory = _memory(attributes.ljust(PERF_ATTRIBUTES, b"\0"))
    # One CPU's event carries the program for all; it must be a CPU that is online.
    cpu = min(os.sched_getaffinity(0))
    number = PERF_EVENT_OPEN[platform.machine()]
    fd = _checked(_libc.syscall(number, memory, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC))
    try:
        fcntl.ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd)
        fcntl.ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


def misses(program_fd: int) -> int:
    """How often the kernel did not run the program, as it says from 5.12 on; before, 0."""
    return _info(program_fd, MISSES_AT)


def run_time(program_fd: int) -> int:
    """Nanoseconds, counted while kernel.bpf_stats_enabled is 1."""
    return _info(program_fd, RUN_TIME_AT)


def by_id(program: int) -> int:
    """The descriptor of a program in the kernel. Raises OSError."""
    return _bpf(PROG_FD_BY_ID, struct.pack("<3I", program, 0, 0))


def ids(command: int) -> frozenset[int]:
    """The ids of all programs (PROG_NEXT_ID) or maps (MAP_NEXT_ID) in the kernel."""
    found: set[int] = set()
    last = 0
    while True:
        memory = _memory(struct.pack("<3I", last, 0, 0))
        if _libc.syscall(SYSCALL[platform.machine()], command, memory, 12) < 0:
            return frozenset(found)
        last = int(struct.unpack_from("<I", memory.raw, 4)[0])
        found.add(last)


def allow_locked_memory() -> None:
    """Before 5.11, maps count as memory that this process has locked."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    except (OSError, ValueError):
        return  # newer kernels need no such limit; older ones say so when the map is made


def possible_cpus() -> int:
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().split("-")[-1]
    return int(last.split(",")[-1]) + 1


def _info(program_fd: int, offset: int) -> int:
    info = ctypes.create_string_buffer(INFO_SIZE)
    attributes = struct.pack("<IIQ", program_fd, INFO_SIZE, ctypes.addressof(info))
    try:
        _bpf(INFO_BY_FD, attributes)
    except OSError:
        return 0
    return int(struct.unpack_from("<Q", info.raw, offset)[0])


def _program(
    kind: int,
    instructions: ctypes.Array[ctypes.c_char],
    licence: ctypes.Array[ctypes.c_char],
    attach_type: int,
    btf_id: int,
    log: ctypes.Array[ctypes.c_char] | None = None,
) -> bytes:
    attributes = struct.pack(
        "<IIQQIIQII",
        kind,
        len(instructions) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
        1 if log else 0,
        LOG_SIZE if log else 0,
        ctypes.addressof(log) if log else 0,
        0,
        0,
    ) + b"rehost".ljust(16, b"\0")
    if not btf_id:  # as short as 4.18 knows it
        return attributes + struct.pack("<II", 0, attach_type)
    # prog_ifindex, expected_attach_type, prog_btf_fd, func_info_*, line_info_*, attach_btf_id
    return attributes + struct.pack("<4IQIIQII", 0, attach_type, 0, 0, 0, 0, 0, 0, 0, btf_id)


def _element(
    map_fd: int, key: ctypes.Array[ctypes.c_char], value: ctypes.Array[ctypes.c_char]
) -> bytes:
    return struct.pack("<IIQQQ", map_fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)


def _bpf(command: int, attributes: bytes) -> int:
    number = SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(38, "no number of the bpf system call is known for this architecture")
    memory = _memory(attributes)
    return _checked(_libc.syscall(number, command, memory, len(attributes)))


def _memory(content: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(content, len(content))


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
