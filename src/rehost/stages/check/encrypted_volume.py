from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import Found, Problem, check
from rehost.stages.check.volume import volumes

CONTAINERS = frozenset(("crypto_luks", "bitlocker"))

# A warning: block-level migration copies what is encrypted as it is, and all of it; nobody can
# tell which blocks are used. Conversion cannot look inside.
ENCRYPTED = Problem("REHOST.5211", Result.WARN)


@check("ENCRYPTED_VOLUME", "no LUKS, plain dm-crypt or BitLocker volume", ENCRYPTED)
def judge(report: Report) -> Iterator[Found]:
    names = [v.name for v in volumes(report) if (v.file_system or "").lower() in CONTAINERS]
    for stack in (report.facts and report.facts.stacks) or ():
        # Plain dm-crypt has no header to know it by.
        if stack.kind == "crypt" and not set(stack.components).intersection(names):
            names.append(stack.name)
    for name in dict.fromkeys(names):
        yield ENCRYPTED(name)
