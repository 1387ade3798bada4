"""Which IAM actions each role allows. An action is named as the public API names it; ours begin
with "rehost:". To add one: a line in the weakest role that may have it."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

READER = frozenset(
    {
        "rehost:task:getConfiguration",
        "rehost:task:getConsistency",
        "sms::getConfig",
        "sms:migproject:get",
        "sms:migproject:list",
        "sms:server:get",
        "sms:server:getConsistencyCheckResult",
        "sms:server:getTask",
        "sms:server:getTaskSpeedLimit",
        "sms:server:list",
        "sms:server:listErrors",
        "sms:server:listTask",
        "sms:server:overview",
        "sms:template:get",
        "sms:template:list",
    }
)

# What the agent of a source does, and so whoever runs an agent's tools by hand.
# Passwords and passphrases are here: they are read, but not for readers.
AGENT = frozenset(
    {
        "rehost:command:handle",
        "rehost:task:certify",
        "rehost:task:getConfiguration",
        "rehost:task:tellPoint",
        "rehost:task:transfer",
        "rehost:task:updateNetworkCheck",
        "rehost:task:uploadLog",
        "sms::getConfig",
        "sms:server:get",
        "sms:server:getTask",
        "sms:server:getTaskPassphrase",
        "sms:server:getTaskSpeedLimit",
        "sms:server:register",
        "sms:server:updateConsistencyCheckResult",
        "sms:server:updateDiskInfo",
        "sms:server:updateState",
        "sms:server:updateTask",
        "sms:server:updateTaskProgress",
        "sms:template:get",
        "sms:template:getTargetPassword",
    }
)

# Whoever may make enrolment codes; a code is good as long as its maker may.
ENROL = "rehost:enrolment:create"

# The holder of an enrolment code: one registration.
ENROLLED = frozenset({"sms:server:register"})

OPERATOR = (
    READER
    | AGENT
    | {
        ENROL,
        "rehost:task:configure",
        "rehost:task:readConsole",
        "rehost:task:readLog",
        "sms:migproject:create",
        "sms:migproject:delete",
        "sms:migproject:update",
        "sms:server:batchDelete",
        "sms:server:batchDeleteTask",
        "sms:server:collectLog",
        "sms:server:createTask",
        "sms:server:delete",
        "sms:server:deleteTask",
        "sms:server:manageTask",
        "sms:server:update",
        "sms:server:updateTaskSpeedLimit",
        "sms:template:batchDelete",
        "sms:template:create",
        "sms:template:delete",
        "sms:template:update",
    }
)

# Everything: also to see what others did.
ADMIN = OPERATOR | {"rehost:audit:list"}


class Role(StrEnum):
    """From the most powerful to the least."""

    ADMIN = "admin"
    OPERATOR = "operator"
    READER = "reader"


ROLES: Mapping[str, frozenset[str]] = {
    Role.ADMIN: ADMIN,
    Role.OPERATOR: OPERATOR,
    Role.READER: READER,
}


def weakest(roles: Iterable[str]) -> str:
    """The role that says what a user may do in each of several projects.

    One that an administrator made counts as less than any that is built in.
    """
    order = [*ROLES]
    return max(roles, key=lambda role: order.index(role) if role in ROLES else len(order))
