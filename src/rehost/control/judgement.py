"""Judging a report: what is stored of a source besides the report itself.

Findings depend on the rules of this version. What an older version judged is judged again, from
the stored report, when the service starts: a new check needs no new agent.
"""

import hashlib
import logging
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.control import document
from rehost.control.clock import now_ms
from rehost.control.store import sources
from rehost.control.store.database import Database
from rehost.model.language import Language
from rehost.model.server import OsType, Report
from rehost.model.source import MigrationCycle, SourceState
from rehost.model.target import DiskChoice, RecommendedTarget
from rehost.stages import check, recommend

log = logging.getLogger(__name__)

BATCH = 200
# Only while nothing has been started do findings decide about the state.
JUDGED_STATES = (SourceState.UNAVAILABLE, SourceState.WAITING)

NO_CHOICES = "[]"
NOT_JUDGED = dict.fromkeys(
    ("report", "rules", "ip", "ipv6", "summary", "inventory", "checks_en", "checks_zh", "target"),
    "",
)


@cache
def rules() -> str:
    """A digest of the code that judges and renders."""
    digest = hashlib.sha256()
    stages, control = files("rehost.stages"), files("rehost.control")
    for file in (
        *_sources(stages / "check"),
        stages / "recommend.py",
        *_sources(files("rehost.model")),
        control / "document.py",
        control / "judgement.py",
    ):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def judged(report: Report, number: int, choices: str = NO_CHOICES) -> dict[str, Any]:
    """The columns that follow from a report and choices (JSON), state and cycle apart."""
    findings = check.judge(report)
    return {
        "report": msgspec.json.encode(report).decode(),
        "rules": rules(),
        "ip": report.ip or "",
        "ipv6": report.ipv6 or "",
        "summary": document.summary(report),
        "inventory": document.inventory(report),
        "checks_en": document.checks(check.rows(findings, number, Language.ENGLISH)),
        "checks_zh": document.checks(check.rows(findings, number, Language.CHINESE)),
        "target": target(report, choices),
    }


def target(report: Report, choices: str) -> str:
    """The recommended target as adjusted by an operator's choices, JSON."""
    return document.target(adjusted(report, choices), report.os_type)


def adjusted(report: Report, choices: str) -> RecommendedTarget:
    chosen = msgspec.json.decode(choices, type=tuple[DiskChoice, ...])
    return recommend.adjust(recommend.recommend(report), chosen)


def obstacles(report: Report, choices: str) -> tuple[str, ...]:
    """The checks that keep what was chosen of a source from being migrated, by name."""
    found = check.obstacles(report, with_system=not _leaves_system_out(report, choices))
    return tuple(finding.check for finding in found)


def standing(report: Report, choices: str) -> tuple[SourceState, MigrationCycle]:
    """Where a source stands that no task has touched: fit to be set up, or not."""
    if obstacles(report, choices):
        return SourceState.UNAVAILABLE, MigrationCycle.CHECKING
    return SourceState.WAITING, MigrationCycle.SETTING


def moved(row: Any, report: Report, choices: str) -> dict[str, Any]:  # noqa: ANN401 - a row
    """State and cycle after a report or choice on a stored source, with the times of a change."""
    if row.state not in JUDGED_STATES:
        return {}
    state, cycle = standing(report, choices)
    now = now_ms()
    changes: dict[str, Any] = {}
    if row.state != state:
        changes |= {"state": state, "state_action_time": now}
    if row.migration_cycle != cycle:
        changes |= {"migration_cycle": cycle, "stage_action_time": now}
    return changes


def judge_again(database: Database) -> int:
    """Judge anew what other rules judged, in small transactions; returns how many there were."""
    done = 0
    while True:
        # To look for them takes a while where there are many sources; nobody waits for a read.
        with database.read() as db:
            if not sources.judged_by_others(db, rules(), limit=1):
                return done
        with database.write() as db:
            rows = sources.judged_by_others(db, rules(), limit=BATCH)
            for row in rows:
                _judge_again(db, row)
        done += len(rows)


def _judge_again(db: sa.Connection, row: sa.Row[Any]) -> None:
    report = msgspec.json.decode(row.report, type=Report)
    sources.update(
        db, row.id, judged(report, row.number, row.choices) | moved(row, report, row.choices)
    )


def _leaves_system_out(report: Report, choices: str) -> bool:
    """A source whose system disk is not known is a whole machine all the same."""
    known = recommend.has_system(recommend.recommend(report))
    return known and not recommend.has_system(adjusted(report, choices))


def default_enterprise_project(report: Report) -> str:
    """Linux sources show the default enterprise project; the documented Windows one does not."""
    return "" if report.os_type is OsType.WINDOWS else "0"


def _sources(place: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for entry in sorted(place.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            found += _sources(entry)
        elif entry.name.endswith(".py"):
            found.append(entry)
    return found
