"""What a table of cases says: a report, and what the check of that name finds in it."""

from typing import NamedTuple

from rehost.model.server import Report
from rehost.stages.check.rule import Problem


class Case(NamedTuple):
    check: str
    report: Report
    problem: Problem | None  # None: the check passes
    params: tuple[str, ...] = ()

    def __str__(self) -> str:
        code = self.problem.code if self.problem else "OK"
        return f"{self.check}-{code}-{';'.join(self.params)}"[:60]
