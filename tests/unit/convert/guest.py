"""A guest's files as text, rewritten; doing it again must change nothing more."""

from rehost.stages.convert.network import Wish, rewrite
from rehost.stages.convert.network.wish import Rewriting

MAC, NEW = "52:54:00:12:34:56", "fa:16:3e:0a:0b:0c"
PINS = (
    "/etc/udev/rules.d/70-rehost-net.rules",
    "/etc/systemd/network/00-rehost-",
    "/etc/systemd/system/systemd-networkd.service.d/00-rehost.conf",
)


def rewritten(files: dict[str, str], wish: Wish) -> dict[str, str | None]:
    """What is written, without the pins."""
    changed = whole(files, wish).files.items()
    return {
        path: None if content is None else content.decode()
        for path, content in changed
        if not path.startswith(PINS)
    }


def whole(files: dict[str, str], wish: Wish) -> Rewriting:
    given = {path: text.encode() for path, text in files.items()}
    rewriting = rewrite(given, wish)
    changed = rewriting.files
    after = {path: changed.get(path, given.get(path)) for path in {**given, **changed}}
    left = {path: content for path, content in after.items() if content is not None}
    assert rewrite(left, wish).files == {}
    return rewriting
