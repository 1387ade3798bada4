"""Whatever a request has in it, the answer is one that the OpenAPI document foresees."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from rehost.control.api import OPERATIONS
from rehost.control.openapi import document
from tests.compat.bodies import linux, new_task
from tests.compat.conftest import Service

API = schemathesis.openapi.from_dict(document(OPERATIONS))
API.config.generation.update(modes=list(GenerationMode))
QUICK = settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
LONG = settings(QUICK, max_examples=int(os.environ.get("REHOST_FUZZ_EXAMPLES", "300")))


@dataclass(frozen=True)
class Target:
    service: Service
    session: requests.Session
    token: str
    known: dict[str, str]  # ids, by the names of path parameters

    def send(self, case: Case[Any]) -> None:
        """Half of the cases are about a source or a task that is there."""
        for name, known in self.known.items():
            if len(case.path_parameters.get(name, "x")) % 2 == 0:
                case.path_parameters[name] = known
        case.call_and_validate(
            base_url=self.service.url,
            session=self.session,
            headers={"X-Auth-Token": self.token},
            excluded_checks=[positive_data_acceptance] if may_be_refused(case) else [],
        )


def may_be_refused(case: Case[Any]) -> bool:
    """Whether rules may forbid it that a schema cannot state: on a body as a whole, on NUL."""
    sent = (case.path_parameters, case.query, case.headers)
    return len(case.operation.body) > 0 or "\\x00" in repr(sent)


@pytest.fixture(scope="module")
def target(service: Service) -> Iterator[Target]:
    token = service.token("admin")
    _, _, answer = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
    ids = {"source_id": answer["id"], "server_id": answer["id"]}
    sent = new_task(answer["id"])
    _, _, answer = service.call("POST", "/v3/tasks", sent, X_Auth_Token=token)
    ids["task_id"] = answer["id"]
    with requests.Session() as session:
        session.trust_env = False
        yield Target(service, session, token, ids)


@API.parametrize()
@QUICK
def test_api(case: Case[Any], target: Target):
    target.send(case)


@pytest.mark.slow
@API.parametrize()
@LONG
def test_api_for_long(case: Case[Any], target: Target):
    target.send(case)
