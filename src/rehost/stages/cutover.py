"""A consistent moment of a running source: hooks, freeze, the last blocks, thaw, hooks.

    result = cut(["/dev/vda"], last_pass, limit_s=10, hooks=load_hooks(state_folder / "hooks.toml"))

`last_pass` runs while nothing can be written: it may read disks, send, and wait for the target.
It must not write files, print, or start programs. What it logs is kept and said afterwards.
"""

import logging
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rehost.cutover_errors import HookFailed, HooksUnusable
from rehost.errors import HostError
from rehost.system.freezing import Freezer, PostHook, Skipped
from rehost.system.host import LiveHost

log = logging.getLogger(__name__)

LIMIT_S = 10.0
HOOK_LIMIT_S = 30.0
LONGEST_HOOK_S = 600.0
KEYS = {"name", "pre", "post", "limit_s"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Programs of the administrator, as argument lists; either may be (). They get `limit_s`."""

    name: str
    pre: tuple[str, ...] = ()
    post: tuple[str, ...] = ()
    limit_s: float = HOOK_LIMIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Generic[T]):
    """What the work returned, what stood still for how long, and what did not.

    `failed_hooks` says which programs failed *after* the freeze; the copy is good regardless.
    """

    value: T
    frozen: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    duration_s: float
    failed_hooks: tuple[str, ...]


def cut(
    disks: Sequence[str],
    work: Callable[[], T],
    *,
    before: Callable[[], object] = lambda: None,
    limit_s: float = LIMIT_S,
    hooks: Sequence[Hook] = (),
) -> Cut[T]:
    """Run `work` while all filesystems that write to these disks are frozen.

    `before` is one more pass, best: it runs when all is ready, and the less is left for `work`.
    They are thawed after `limit_s` whatever happens; then FreezeEnded is raised. A hook's `post`
    runs after the thaw if its `pre` was started, also when the cut fails, or this process is
    killed. Raises FreezeFailed, FreezeEnded, HookFailed, and what `work` raises.
    """
    posts = [PostHook(hook.post, hook.limit_s) for hook in hooks if hook.post]
    failed: list[str] = []
    with Freezer(disks, limit_s=limit_s, hooks=posts) as freezer:
        started: list[Hook] = []
        try:
            for hook in hooks:
                _run_before(hook, freezer, started)
            with freezer.held(before):
                value = work()
        finally:
            if not freezer.hooks_are_done:
                failed += _run_after(started)
    freeze = freezer.freeze
    log.info("frozen for %.0f ms: %s", 1000 * freeze.duration_s, " ".join(freeze.frozen))
    for skipped in freeze.skipped:
        log.info("%s was not frozen: %s", skipped.path, skipped.reason)
    return Cut(
        value=value,
        frozen=tuple(freeze.frozen),
        skipped=tuple(freeze.skipped),
        duration_s=freeze.duration_s,
        failed_hooks=tuple(failed),
    )


def load_hooks(file: Path) -> tuple[Hook, ...]:
    """The hooks of a source, in the order of the file; none if there is no file.

    It runs programs as root: so it must belong to root, and nobody else may write it.
    Raises HooksUnusable.
    """
    import tomllib  # most sources have no hooks

    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
                raise HooksUnusable(f"{file} must belong to you, and others must not write it")
            content = tomllib.load(opened)
    except FileNotFoundError:
        return ()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise HooksUnusable(f"cannot read {file}: {e}") from e
    try:
        return tuple(_hook(table) for table in content.get("hook", []))
    except (TypeError, ValueError, AttributeError) as e:
        raise HooksUnusable(f"{file}: {e}") from e


def _hook(table: dict[str, Any]) -> Hook:
    if unknown := table.keys() - KEYS:
        raise ValueError(f"a hook has no {', '.join(sorted(unknown))}")
    limit_s = float(table.get("limit_s", HOOK_LIMIT_S))
    if not 0 < limit_s <= LONGEST_HOOK_S:
        raise ValueError(f"limit_s is from 0 to {LONGEST_HOOK_S:g}")
    name = table.get("name", "")
    if not isinstance(name, str) or not name:
        raise ValueError("each hook needs a name")
    pre, post = _argv(table.get("pre", [])), _argv(table.get("post", []))
    return Hook(name=name, pre=pre, post=post, limit_s=limit_s)


def _argv(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError('a program is a list of words, as in ["/usr/bin/fsfreeze-db", "stop"]')
    if value and not value[0].startswith("/"):
        raise ValueError(f"{value[0]!r} must be a path that begins with /")
    return tuple(value)


def _run_before(hook: Hook, freezer: Freezer, started: list[Hook]) -> None:
    started.append(hook)
    if hook.post:
        freezer.hook_starts()
    if hook.pre:
        try:
            LiveHost(time_limit_s=hook.limit_s).run(hook.pre)
        except HostError as e:
            raise HookFailed(hook.name, str(e)) from e


def _run_after(started: Sequence[Hook]) -> list[str]:
    """In reverse order; the names of those that failed."""
    failed = []
    for hook in reversed(started):
        try:
            if hook.post:
                LiveHost(time_limit_s=hook.limit_s).run(hook.post)
        except HostError as e:
            log.error("the hook %r failed after the cut: %s", hook.name, e)
            failed.append(hook.name)
    return failed
