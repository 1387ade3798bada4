"""Reports of every shape that the service can decode, made from the model's own types."""

import builtins
import types
import typing
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from hypothesis import strategies as st
from msgspec import Meta

from rehost.model.server import Report

# What rules compare with, so that random reports reach them.
WORDS = st.sampled_from(
    [
        "",
        "/",
        "OS",
        "BOOT",
        "NORMAL",
        "MBR",
        "GPT",
        "gpt",
        "ext4",
        "ntfs",
        "LVM2_member",
        "C:\\",
        "/dev/vda",
        "/dev/mapper/a-b",
        ";",
        "crypt",
        "crypto_LUKS",
        "none",
        "integrity",
        "5.5",
        "virtio_blk",
        "virtio_pci",
        "x86_64",
        "{0}",
        "{all}",
        "GRUB",
        "64BIT",
    ]
)
NUMBERS = st.sampled_from([0, 1, 23, 512 << 20, 1 << 30, 16 << 40, 2**63 - 1])


@cache
def values_of(kind: Any) -> st.SearchStrategy[Any]:
    args = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Annotated:
            limits = [limit for limit in args[1:] if isinstance(limit, Meta)]
            found = {k: v for m in limits for k, v in _set(m).items()}
            return _limited(args[0], found) if found else values_of(args[0])
        case builtins.tuple:
            return st.lists(values_of(args[0]), max_size=3).map(tuple)
        case typing.Union | types.UnionType:
            return st.one_of([values_of(arg) for arg in args])
        case _:
            return _made_of(kind)


def _made_of(kind: type) -> st.SearchStrategy[Any]:
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return st.builds(kind, **{name: values_of(hint) for name, hint in hints.items()})
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.none() if kind is type(None) else st.booleans()


def _set(meta: Meta) -> dict[str, Any]:
    names = ("ge", "le", "min_length", "max_length")
    return {n: v for n in names if (v := getattr(meta, n)) is not None}


def _limited(kind: type, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind is str:
        shortest, longest = limits.get("min_length", 0), limits.get("max_length", 255)
        some = st.text(min_size=shortest, max_size=min(longest, 300))
        return some | WORDS.filter(lambda word: len(word) >= shortest)
    lowest, highest = limits["ge"], limits["le"]
    return st.integers(lowest, highest) | NUMBERS.filter(lambda n: lowest <= n <= highest)


REPORTS = values_of(Report)
