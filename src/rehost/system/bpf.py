"""The bpf system call, through ctypes: no library, no compiler."""

import os
import platform

SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
MAP_CREATE = 0
MAP_TYPE_ARRAY = 2


def works() -> bool:
    """A map of one entry can be made; it is gone again when this returns."""
    import ctypes

    number = SYSCALL.get(platform.machine())
    if number is None:
        return False
    # union bpf_attr of BPF_MAP_CREATE: map_type, key_size, value_size, max_entries
    attributes = (ctypes.c_uint32 * 4)(MAP_TYPE_ARRAY, 4, 4, 1)
    system_call = ctypes.CDLL(None, use_errno=True).syscall
    fd = system_call(number, MAP_CREATE, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if fd < 0:
        return False
    os.close(fd)
    return True
