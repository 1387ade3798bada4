"""Do to a copied system's files what was planned, and say what was done."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

from rehost.stages.convert import devices, identity, network
from rehost.stages.convert.guest import Guest
from rehost.stages.convert.network import Wish
from rehost.stages.convert.plan import NEEDED, Plan

MODULES = "/etc/initramfs-tools/modules"  # Debian's list may be all that the initramfs gets


def apply(guest: Guest, plan: Plan) -> Iterator[str]:
    """Sentences; a file that needs no change is not written. Done again, it changes nothing more.

    New SSH host keys are new ones each time.
    """
    yield from _name_devices(guest, plan)
    yield from _free_lvm(guest, plan)
    if plan.network:
        yield from _rewrite_network(guest, plan.network)
    yield from _rename(guest, plan)
    if plan.new_identity:
        yield from _renew(guest, plan)
    if plan.virt_v2v:
        yield from _edit(guest, MODULES, _with_virtio)


def _name_devices(guest: Guest, plan: Plan) -> Iterator[str]:
    names = {device.name: device.lasting for device in plan.devices}
    if not names:
        return
    yield from _edit(guest, devices.FSTAB, lambda text: devices.edit_fstab(text, names))
    yield from _edit(guest, devices.CRYPTTAB, lambda text: devices.edit_crypttab(text, names))
    for unit in {d.file for d in plan.devices if d.file.startswith(devices.UNITS)}:
        yield from _edit(guest, unit, lambda text: devices.edit_unit(text, names))
    told: dict[str, frozenset[str]] = {}
    for patterns, edit in (
        (devices.COMMAND_LINES, devices.edit_command_lines),
        (devices.ENVIRONMENTS, devices.edit_environment),
    ):
        for path in (path for pattern in patterns for path in guest.glob(pattern)):
            text = yield from _edit(guest, path, lambda text: edit(text, names))  # noqa: B023
            told[path] = devices.parameters(text)
    yield from _told_nowhere(plan, names, told)


def _told_nowhere(
    plan: Plan, names: Mapping[str, str], files: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    """What the kernel was told, and no file that is known tells it: it is told so again.

    `files`: what each of them tells now.
    """
    for path, found in files.items():
        for name in (name for name in names if name in found):
            yield (
                f"WARNING: {path} has no room for {names[name]} instead of {name}: the target "
                "may not start"
            )
    told = frozenset[str]().union(*files.values())
    for device in plan.devices:
        if device.file == devices.KERNEL and device.lasting not in told:
            yield (
                f"WARNING: the kernel was started with {device.name}, and no boot loader's file "
                f"says so: it could not be replaced by {device.lasting}, and the target may not "
                "start. On the source, name it by its UUID where its boot loader has it from"
            )


def _free_lvm(guest: Guest, plan: Plan) -> Iterator[str]:
    """It is kept under another name, for whoever made it."""
    for path in plan.lvm_limits:
        content = guest.read(path)
        if content is not None:
            guest.write(f"{path}.rehost", content, mode=0o600)
            guest.remove(path)
            yield f"{path}: renamed to {path}.rehost, as the target's disks are not in it"


def _with_virtio(text: str) -> str:
    named = {line.strip() for line in text.splitlines()}
    missing = [module for module in NEEDED if module not in named]
    end = "" if text.endswith("\n") or not text else "\n"
    return text + end + "".join(f"{module}\n" for module in missing) if missing else text


def _edit(guest: Guest, path: str, edit: Callable[[str], str]) -> Generator[str, None, str]:
    """Gives the text as it is then, "" of a file that is not there."""
    old = guest.read(path)
    if old is None:
        return ""
    # Files may have bytes of any encoding: they come back as they were.
    text = edit(old.decode(errors="surrogateescape"))
    new = text.encode(errors="surrogateescape")
    if new != old:
        guest.write(path, new)
        yield f"{path}: {_changed_lines(old, new)}"
    return text


def _changed_lines(old: bytes, new: bytes) -> str:
    """The new lines, as far as they are short."""
    before = set(old.splitlines())
    lines = [
        line.decode(errors="replace").strip()
        for line in dict.fromkeys(new.splitlines())
        if line not in before
    ]
    shown = "; ".join(lines[:3])[:300]
    return f"{len(lines)} lines are new: {shown}" if len(lines) > 1 else f"changed to {shown}"


def _rewrite_network(guest: Guest, wish: Wish) -> Iterator[str]:
    files = dict(_read(guest, network.FILES)) | dict(_names(guest, network.EXISTING))
    rewriting = network.rewrite(files, wish)
    for path, content in rewriting.files.items():
        if content is None:
            guest.remove(path)
        else:
            guest.write(path, content)
    yield from (*rewriting.changes, *rewriting.notes)


def _read(guest: Guest, patterns: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for path in (path for pattern in patterns for path in guest.glob(pattern)):
        content = guest.read(path)
        if content is not None:
            yield path, content


def _names(guest: Guest, patterns: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    yield from ((path, b"") for pattern in patterns for path in guest.glob(pattern))


def _rename(guest: Guest, plan: Plan) -> Iterator[str]:
    new = plan.hostname
    if new is None:
        return
    there = [path for path in identity.HOSTNAME_FILES if guest.read(path) is not None]
    for path in there or identity.HOSTNAME_FILES[:1]:
        guest.write(path, f"{new}\n".encode())
        yield f"{path}: the host name is {new}"
    old = plan.old_hostname
    yield from _edit(guest, identity.HOSTS, lambda text: identity.edit_hosts(text, old, new))
    yield from _edit(guest, identity.RED_HAT_6, lambda text: identity.edit_red_hat_6(text, new))


def _renew(guest: Guest, plan: Plan) -> Iterator[str]:
    comment = f"root@{plan.hostname or plan.old_hostname}"
    for path in guest.glob(identity.HOST_KEYS):
        pair = identity.host_key(path, comment)
        guest.remove(f"{path}-cert.pub")
        if pair is None:
            guest.remove(path)
            guest.remove(f"{path}.pub")
            yield f"{path}: removed, no server takes keys of its kind any more"
            continue
        guest.write(path, pair.private, mode=0o600)
        guest.write(f"{path}.pub", pair.public)
        yield f"{path}: a new key"
    guest.write(identity.MACHINE_ID, b"", mode=0o444)
    for path in identity.REMOVED:
        guest.remove(path)
    yield f"{identity.MACHINE_ID}: emptied, the system makes another one when it starts"
