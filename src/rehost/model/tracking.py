"""How changed blocks are found."""

from enum import StrEnum


class Tracker(StrEnum):
    """From best to last; these names are what the API and the console show."""

    EBPF_MMAP = "ebpf-mmap"  # marks are read from shared memory
    EBPF_LOOKUP = "ebpf-lookup"  # marks are read by system calls
    BLKTRACE = "blktrace"
    RESCAN = "rescan"  # every pass reads and digests all used blocks
