"""What credentials stand for: read by each request, through the exact cache of store/hot.py."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rehost.control.operation import Caller
from rehost.control.roles import AGENT, ENROL, ENROLLED, ROLES
from rehost.control.store.hot import HotReader, Row
from rehost.control.store.roles import read_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a credential stands for.

    `by_project`: what the caller is in each single project, where the credential is for several.
    """

    caller: Caller
    expires_at: float = math.inf  # ms since the epoch
    by_project: Mapping[str, Caller] = field(default_factory=dict)
    secret: str = field(default="", repr=False)  # of an access key; encrypted as it is stored


def by_token(hot: HotReader, digest: str) -> Known | None:
    """None if there is no such token, or its user is disabled or has lost the role."""
    rows = hot.rows(_OF_HOLDER, digest)
    if not rows:
        return None
    project_id, source_id, expires_at, domain_id = rows[0][:4]
    if source_id is not None:
        agent = Caller(
            domain_id=domain_id,
            project_id=project_id,
            projects=(project_id,),
            actions=AGENT,
            source_id=source_id,
        )
        return Known(caller=agent)
    known = _user([row[4:] for row in rows])
    if known is None or project_id is None:
        return known and replace(known, expires_at=expires_at)
    return Known(caller=known.caller, expires_at=expires_at)


def by_access_key(hot: HotReader, access: str) -> Known | None:
    """None if there is no such key, or its user is disabled or has no role at all."""
    rows = hot.rows(_OF_SIGNER, access)
    known = _user([row[1:] for row in rows])
    return known and replace(known, secret=rows[0][0])


def by_project(hot: HotReader, project_id: str) -> Known | None:
    """None if the project is not here; otherwise what a holder of nothing else may do: nothing."""
    row = hot.row("SELECT domain_id FROM projects WHERE id = ?", project_id)
    return Known(caller=Caller(project_id=project_id, domain_id=row[0])) if row else None


def by_enrolment(hot: HotReader, digest: str) -> Known | None:
    """None if there is no such code, or who made it might not make it any more.

    Whether it was used up matters when it is redeemed.
    """
    row = hot.row(_OF_NEWCOMER, digest)
    if row is None:
        return None
    project_id, domain_id, expires_at, maker, enabled, role, policy = row
    # A user of Keystone's is not here; a code of one whom we deleted went along.
    if maker is not None and not (enabled and ENROL in _actions(role, policy)):
        return None
    holder = Caller(
        domain_id=domain_id,
        project_id=project_id,
        projects=(project_id,),
        actions=ENROLLED,
        enrolment=digest,
    )
    return Known(caller=holder, expires_at=expires_at)


def _user(rows: Sequence[Row]) -> Known | None:
    """A user from rows of (user id, name, domain id, project id, role, policy), one a role."""
    if not rows or rows[0][3] is None:
        return None
    user_id, user_name, domain_id = rows[0][:3]
    by_project = {
        project_id: Caller(
            user_id=user_id,
            user_name=user_name,
            domain_id=domain_id,
            project_id=project_id,
            projects=(project_id,),
            actions=_actions(role, policy),
        )
        for _, _, _, project_id, role, policy in rows
    }
    projects = tuple(by_project)
    # Over several projects only what the user may do in each of them: an action names a
    # resource in any one.
    actions = frozenset.intersection(*(caller.actions for caller in by_project.values()))
    # Among several there is none where new things obviously go.
    project_id = projects[0] if len(projects) == 1 else None
    caller = replace(
        by_project[projects[0]], project_id=project_id, projects=projects, actions=actions
    )
    return Known(caller=caller, by_project=by_project)


def _actions(role: str | None, policy: str | None) -> frozenset[str]:
    """What a role allows; `policy` is that of a role that an administrator made."""
    if policy is None:
        return ROLES.get(role or "", frozenset())
    return read_policy(policy).actions()


# One statement each: between two, somebody could write.
_OF_HOLDER = """
    SELECT t.project_id, t.source_id, t.expires_at, own.domain_id,
           u.id, u.name, u.domain_id, g.project_id, g.role, r.policy
    FROM tokens t
    LEFT JOIN projects own ON own.id = t.project_id
    LEFT JOIN users u ON u.id = t.user_id AND u.enabled
    LEFT JOIN grants g ON g.user_id = u.id AND g.project_id = coalesce(t.project_id, g.project_id)
    LEFT JOIN projects p ON p.id = g.project_id
    LEFT JOIN roles r ON r.domain_id = u.domain_id AND r.name = g.role
    WHERE t.digest = ?
    ORDER BY p.name
"""
_OF_SIGNER = """
    SELECT k.secret, u.id, u.name, u.domain_id, g.project_id, g.role, r.policy
    FROM access_keys k
    JOIN users u ON u.id = k.user_id AND u.enabled
    JOIN grants g ON g.user_id = u.id
    JOIN projects p ON p.id = g.project_id
    LEFT JOIN roles r ON r.domain_id = u.domain_id AND r.name = g.role
    WHERE k.access = ?
    ORDER BY p.name
"""
_OF_NEWCOMER = """
    SELECT e.project_id, p.domain_id, e.expires_at, u.id, u.enabled, g.role, r.policy
    FROM enrolments e
    JOIN projects p ON p.id = e.project_id
    LEFT JOIN users u ON u.id = e.created_by
    LEFT JOIN grants g ON g.user_id = u.id AND g.project_id = p.id
    LEFT JOIN roles r ON r.domain_id = u.domain_id AND r.name = g.role
    WHERE e.digest = ?
"""
