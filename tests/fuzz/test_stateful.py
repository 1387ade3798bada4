"""Sequences of calls that follow the document's links: what one makes, the next ones use.

After each call that made something, another project's caller tries to see, change and delete it.
"""

import copy
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from rehost.control.api import OPERATIONS
from rehost.control.links import IDS
from rehost.control.openapi import document
from tests.compat.conftest import Service

# A case is one call of a sequence; there are at most STEPS in each.
STEPS = 10
LONG_CASES = int(os.environ.get("REHOST_FUZZ_CASES", "20000"))
QUICK = settings(
    max_examples=8,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a service does not do the same twice, as shrinking wants
    suppress_health_check=list(HealthCheck),
)
LONG = settings(QUICK, max_examples=LONG_CASES // STEPS)
SEEN = {
    "register_server": "/v3/sources/{id}",
    "create_task": "/v3/tasks/{id}",
    "create_template": "/v3/vm/templates/{id}",
    "create_migproject": "/v3/migprojects/{id}",
}
LISTS = ("/v3/sources?limit=200", "/v3/tasks?limit=200", "/v3/migprojects?limit=200",
         "/v3/vm/templates?limit=100", "/v3/errors?limit=100")  # fmt: skip


def described() -> dict[str, Any]:
    """The document, and a link that only tests want: a task is of a source."""
    made = copy.deepcopy(document(OPERATIONS))
    registers = made["paths"]["/v3/sources"]["post"]["responses"]["200"]
    registers["links"]["create_task"] = {
        "operationId": "create_task",
        "requestBody": {
            "name": "fuzz",
            "type": "MIGRATE_BLOCK",
            "source_server": {"id": "$response.body#/id"},
            "target_server": {"name": "t"},
            **dict.fromkeys(("region_name", "region_id", "project_name", "project_id"), "x"),
        },
    }
    return made


API = schemathesis.openapi.from_dict(described())
API.config.generation.update(modes=list(GenerationMode))


def test_everything_that_is_made_is_tried_by_others():
    assert SEEN.keys() == IDS.keys()


@contextmanager
def machine_of(service: Service) -> Iterator[type[Any]]:
    foreign = service.token("admin", "theirs")
    with requests.Session() as session:
        session.trust_env = False

        class Machine(API.as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                """A project of its own: what earlier sequences left must not matter."""
                super().setup()
                self.token = service.token("admin", f"fuzz-{uuid.uuid4().hex}")

            def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
                return {
                    "base_url": service.url,
                    "session": session,
                    "headers": {"X-Auth-Token": self.token},
                }

            def validate_response(self, response: Response, case: Case[Any], **_: Any) -> None:
                # Rules that no schema states may forbid what it allows.
                case.validate_response(response, excluded_checks=[positive_data_acceptance])

            def after_call(self, response: Response, case: Case[Any]) -> None:
                super().after_call(response, case)
                name = case.operation.definition.raw.get("operationId")
                if response.status_code == 200 and name in SEEN:
                    not_theirs(session, service.url, foreign, name, response.json()["id"])

        yield Machine


def not_theirs(session: requests.Session, url: str, token: str, made_by: str, made_id: str) -> None:
    headers = {"X-Auth-Token": token}
    path = url + SEEN[made_by].format(id=made_id)
    for method in ("GET", "DELETE"):
        answer = session.request(method, path, headers=headers, timeout=30)
        assert answer.status_code == 404, (method, path, answer.text)
    for listing in LISTS:
        assert made_id not in session.get(url + listing, headers=headers, timeout=30).text


def test_sequences(service: Service):
    with machine_of(service) as machine:
        machine.run(settings=QUICK)


@pytest.mark.slow
def test_sequences_for_long(service: Service):
    with machine_of(service) as machine:
        machine.run(settings=LONG)
