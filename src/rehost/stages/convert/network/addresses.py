"""Hardware addresses that change, in every file that may name them.

An address stands for a card wherever it is written: to find the card, or to give it an address
of one's own choice. Had the guest gone on to give itself the old one, two machines would have it,
and clouds drop what comes from an address they did not give. Others' addresses are not touched.
"""

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft, lines
from rehost.stages.convert.network.wish import Wish

COMMENTS = ("#", ";")


def change(draft: Draft, wish: Wish) -> None:
    for path, text in draft.texts(*places.LINES):
        old = lines(text)
        new = [line if _is_comment(line) else wish.replace_macs(line) for line in old]
        why = explain(path, "".join(a for a, b in zip(old, new, strict=True) if a != b), wish)
        draft.write(path, "".join(new), why)


def explain(path: str, changed: str, wish: Wish) -> str:
    """`changed` is the part of the file that had the old addresses."""
    there = changed.lower().replace("-", ":")
    named = [f"{old} is now {new}" for old, new in wish.macs.items() if old in there]
    return f"{path}: {', '.join(named)}, the address of the card on the target."


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENTS)
