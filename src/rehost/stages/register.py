"""Report -> stored source: is this a machine that is registered already?

model/identity.py has the rule. A machine taken for new by mistake costs an entry in a list; two
machines taken for one would overwrite each other.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import TypeVar

from rehost.model.identity import machine_id, same_machine, share_disk, uuid
from rehost.model.server import Identity, Report

Key = TypeVar("Key")


def find(report: Report, candidates: Mapping[Key, Identity]) -> Key | None:
    """Which of these registered machines the report is of, None if it is a new one.

    Candidates are those with the report's `identity_key`. If several fit, one that shares a disk
    wins, then the first.
    """
    identity = identity_of(report)
    fitting = [key for key, other in candidates.items() if same_machine(identity, other)]
    sharing = [key for key in fitting if share_disk(identity, candidates[key])]
    return next(iter(sharing + fitting), None)


def identity_of(report: Report) -> Identity:
    """What the report says; nothing if it comes from an agent other than ours."""
    return report.facts.identity if report.facts else Identity()


def identity_key(identity: Identity) -> str | None:
    """For an indexed column: a digest of the machine-id, or of the DMI uuid where there is none.

    Clones may have the same key, so a look-up by it gives candidates, not an answer. None if
    nothing identifies the machine: then it cannot be recognised.
    """
    # A machine-id is confidential (machine-id(5)), so no column shows it.
    for kind, value in (("machine-id", machine_id(identity)), ("dmi-uuid", uuid(identity))):
        if value is not None:
            return sha256(f"rehost {kind} {value}".encode()).hexdigest()
    return None
