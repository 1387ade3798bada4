"""What a check is made of: a rule on reports, and the problems it may find."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rehost.model.check import Finding, Result
from rehost.model.server import Report

SEVERITY = (Result.ERROR, Result.WARN, Result.OK)


@dataclass(frozen=True, slots=True)
class Found:
    problem: "Problem"
    params: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a check may find. Each code has its texts in texts/; a released code is not reused."""

    code: str
    result: Result

    def __call__(self, *params: object) -> Found:
        """This problem on this source; `params` are what its text speaks of."""
        return Found(self, tuple(map(str, params)))


# Shared by all checks: the row's name says which check could not be made.
UNKNOWN = Problem("REHOST.5001", Result.WARN)
NOT_REPORTED = Problem("REHOST.5002", Result.ERROR)
# Not a problem: what a check that passed wants to name, such as the tracker it chose.
CHOSEN = Problem("", Result.OK)

Find = Callable[[Report], Iterable[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`rule` says what is wanted, thresholds included; `problems` are all that `find` may find.

    `of_start`: it is about the target's starting by itself, and so about the system's disks alone.
    """

    name: str
    rule: str
    problems: tuple[Problem, ...]
    find: Find
    of_start: bool

    def __call__(self, report: Report) -> Finding:
        """One finding: the worst that was found; what else was found is in its `also`."""
        findings = tuple(
            Finding(check=self.name, result=problem.result, code=problem.code, params=params)
            for problem, params in _by_severity(self.find(report))
        )
        if not findings:
            return Finding(check=self.name, result=Result.OK)
        worst, *others = findings
        also = tuple(other for other in others if other.result is not Result.OK)
        return Finding(
            check=self.name, result=worst.result, code=worst.code, params=worst.params, also=also
        )


def check(
    name: str, rule: str, *problems: Problem, of_start: bool = False
) -> Callable[[Find], Check]:
    """Make a check of a function that yields what it finds, and nothing if all is well."""

    def decorate(find: Find) -> Check:
        return Check(name=name, rule=rule, problems=problems, find=find, of_start=of_start)

    return decorate


def unknown(report: Report, *facts: str, of: str = "") -> Found:
    """These facts (named as in the report) are None; says why where the agent said so.

    `of` names the one thing they are missing for, where the report has several.
    """
    return UNKNOWN(*(_why(report, fact.removeprefix("facts."), of) for fact in facts))


def not_reported(report: Report, fact: str) -> Found:
    """The API wants this fact, and it is None; says why where the agent said so."""
    return NOT_REPORTED(_why(report, fact, ""))


def _why(report: Report, fact: str, of: str) -> str:
    name = f"{of} {fact.rpartition('.')[2]}" if of else fact
    missing = report.facts.missing if report.facts else ()
    reasons = [m.reason for m in missing if m.fact.removeprefix("facts.") == fact]
    return f"{name}: {reasons[0]}" if reasons else name


def _by_severity(found: Iterable[Found]) -> Iterator[tuple[Problem, tuple[str, ...]]]:
    """What was found, once per problem with all params, the worst first."""
    params: dict[Problem, tuple[str, ...]] = {}
    for one in found:
        params[one.problem] = params.get(one.problem, ()) + one.params
    for problem in sorted(params, key=lambda problem: SEVERITY.index(problem.result)):
        yield problem, params[problem]
