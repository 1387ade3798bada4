"""What a role that an administrator made allows: IAM actions, by name, alias or pattern.

Nothing is allowed that no pattern of `allow` covers, and nothing that one of `deny` does.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import msgspec

from rehost.control.roles import ADMIN
from rehost.identity_errors import BadPolicy

# The actions of the API's older policies, each for several of today's. What the agents of the
# public service poll and report has actions there; here it is one.
ALIASES: Mapping[str, frozenset[str]] = {
    "sms:server:queryServer": frozenset(
        {
            "sms:server:get",
            "sms:server:getTask",
            "sms:server:getTaskSpeedLimit",
            "sms:server:list",
            "sms:server:listErrors",
            "sms:server:listTask",
            "sms:server:overview",
        }
    ),
    "sms:server:registerServer": frozenset({"sms:server:register", "sms:server:updateDiskInfo"}),
    "sms:server:migrationServer": frozenset(
        {
            "rehost:command:handle",
            "sms:server:batchDelete",
            "sms:server:batchDeleteTask",
            "sms:server:collectLog",
            "sms:server:createTask",
            "sms:server:delete",
            "sms:server:deleteTask",
            "sms:server:manageTask",
            "sms:server:update",
            "sms:server:updateState",
            "sms:server:updateTask",
            "sms:server:updateTaskProgress",
            "sms:server:updateTaskSpeedLimit",
        }
    ),
    "sms:server:getCommand": frozenset({"rehost:command:handle"}),
    "sms:server:updateCommandResult": frozenset({"rehost:command:handle"}),
}
OURS = ("sms:", "rehost:", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`*` in a pattern stands for any text inside one of an action's three parts; `*` alone is
    every action."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def actions(self) -> frozenset[str]:
        return _covered(self.allow) - _covered(self.deny)

    def changed(
        self, *, allow: Iterable[str] = (), deny: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> "Policy":
        """With more patterns, and without those to remove. Raise BadPolicy for what fits nothing.

        A pattern is in one of the two lists: the one it was put into last.
        """
        allow, deny, remove = tuple(allow), tuple(deny), tuple(remove)
        _insist_on_known((*allow, *deny))
        if missing := set(remove) - {*self.allow, *self.deny}:
            raise BadPolicy(f"the role has no {', '.join(sorted(missing))} to remove")
        if both := set(allow) & set(deny):
            raise BadPolicy(f"{', '.join(sorted(both))} cannot be allowed and denied at once")
        moved = {*remove, *allow, *deny}
        return Policy(allow=_joined(self.allow, allow, moved), deny=_joined(self.deny, deny, moved))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    Effect: Literal["Allow", "Deny"]
    Action: tuple[str, ...]
    Resource: tuple[str, ...] = ("*",)
    Condition: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A policy as the API's own identity service writes it."""

    Statement: tuple[Statement, ...]


def read_document(data: bytes) -> tuple[Policy, tuple[str, ...]]:
    """The policy in a document of the public form, and the actions in it that are not ours.

    Raise BadPolicy for one that is not in that form, or that holds only for some resources or
    under conditions: here a role is in a project, and for all that is in it.
    """
    try:
        document = msgspec.json.decode(data, type=Document)
    except msgspec.DecodeError as e:
        raise BadPolicy(f"the policy is not a policy document: {e}") from e
    allow: list[str] = []
    deny: list[str] = []
    foreign: list[str] = []
    for statement in document.Statement:
        if statement.Condition or set(statement.Resource) - {"*"}:
            raise BadPolicy(
                "the policy has a Condition, or a Resource other than *; a role here is for "
                "everything in its project: leave them out, or make another project"
            )
        ours = [a for a in statement.Action if a.startswith(OURS)]
        foreign += [a for a in statement.Action if a not in ours]
        (allow if statement.Effect == "Allow" else deny).extend(ours)
    # Denying wins, also within one document.
    kept = [a for a in allow if a not in deny]
    return Policy().changed(allow=kept, deny=deny), tuple(foreign)


def _covered(patterns: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(_matches, patterns))


def _matches(pattern: str) -> frozenset[str]:
    """The actions of this service that a pattern covers; none, if it is not known any more."""
    if pattern == "*":
        return ADMIN
    like = re.compile(re.escape(pattern).replace(r"\*", "[^:]*"))
    through_aliases = [real for alias, real in ALIASES.items() if like.fullmatch(alias)]
    return frozenset(a for a in ADMIN if like.fullmatch(a)).union(*through_aliases)


def _insist_on_known(patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if not _matches(pattern):
            near = get_close_matches(pattern, [*ADMIN, *ALIASES], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadPolicy(
                f"no action fits {pattern!r}; {hint}`rehost role actions` lists all there are"
            )


def _joined(old: Iterable[str], new: Iterable[str], moved: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(p for p in old if p not in moved), *new]))
