"""Files that name block devices: fstab(5), crypttab(5), and kernel command lines."""

import re
from collections.abc import Mapping

FSTAB = "/etc/fstab"
CRYPTTAB = "/etc/crypttab"
UNITS = "/etc/systemd/system/"
KERNEL = "/proc/cmdline"
# Patterns of files with kernel command lines.
COMMAND_LINES = (
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub/menu.lst",
    "/boot/grub/grub.conf",
    "/boot/efi/EFI/*/grub.cfg",
    "/boot/loader/entries/*.conf",
    "/boot/efi/loader/entries/*.conf",
    "/efi/loader/entries/*.conf",
    "/boot/extlinux/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
    "/etc/default/grub",
    "/etc/default/grub.d/*.cfg",
    "/etc/kernel/cmdline",
    "/etc/initramfs-tools/conf.d/resume",
)
# GRUB's own variables: RHEL keeps the kernels' parameters there.
ENVIRONMENTS = ("/boot/grub2/grubenv", "/boot/grub/grubenv", "/boot/efi/EFI/*/grubenv")
PARAMETER = re.compile(r"\b(root|resume|RESUME)=([\"']?)(/dev/[^\s\"']+)")
ANY_PARAMETER = re.compile(r"\b(?:root|resume|RESUME)=[\"']?([^\s\"']+)")
WORDS = re.compile(r"(\S+)(\s*)")
OPTION = re.compile(
    r"(?<=[\s,])((?:device|logdev|rtdev|journal_path|x-systemd\.\w+)=)(/dev/[^\s,]+)"
)
WHAT = re.compile(r"(?m)^(\s*What\s*=\s*)(/dev/\S+)")


def edit_fstab(text: str, names: Mapping[str, str]) -> str:
    """The first word of a line is a device, unless it is a comment; options may name others."""
    lines = text.splitlines(keepends=True)
    return "".join(_edit_options(_edit_line(line, names, word=0), names) for line in lines)


def edit_crypttab(text: str, names: Mapping[str, str]) -> str:
    """The second word of a line is a device."""
    return "".join(_edit_line(line, names, word=1) for line in text.splitlines(keepends=True))


def edit_unit(text: str, names: Mapping[str, str]) -> str:
    """A .mount unit of systemd. What= of a .swap must fit the unit's own name."""
    return WHAT.sub(lambda found: found[1] + _path(names.get(found[2], found[2])), text)


def edit_command_lines(text: str, names: Mapping[str, str]) -> str:
    return PARAMETER.sub(
        lambda found: f"{found[1]}={found[2]}{names.get(found[3], found[3])}", text
    )


def edit_environment(text: str, names: Mapping[str, str]) -> str:
    """GRUB wants its file to stay as long as it is: the end is filled with "#"."""
    body = text.rstrip("#")
    edited = edit_command_lines(body, names)
    return edited.ljust(len(text), "#") if len(edited) <= len(text) else text


def parameters(text: str) -> frozenset[str]:
    """What root= and resume= are, of all entries."""
    return frozenset(ANY_PARAMETER.findall(text))


def _edit_line(line: str, names: Mapping[str, str], *, word: int) -> str:
    words = list(WORDS.finditer(line))
    if len(words) <= word or words[0][1].startswith("#"):
        return line
    place = words[word]
    new = names.get(place[1])
    return line if new is None else line[: place.start(1)] + new + line[place.end(1) :]


def _edit_options(line: str, names: Mapping[str, str]) -> str:
    if line.lstrip().startswith("#"):
        return line
    return OPTION.sub(lambda found: found[1] + _path(names.get(found[2], found[2])), line)


def _path(name: str) -> str:
    """Where only a path is understood."""
    kind, equals, value = name.partition("=")
    return f"/dev/disk/by-{kind.lower()}/{value}" if equals and "/" not in kind else name
