"""The OpenAPI document and the page to browse it."""

import re
from http import HTTPStatus
from typing import Any
from urllib.request import urlopen

import jsonschema_rs
import pytest

from rehost.control.api import OPERATIONS
from rehost.control.api.examples import EXAMPLES
from rehost.control.openapi import document
from rehost.control.operation import JSON, Access
from tests.compat.conftest import Service

DOCUMENT = document(OPERATIONS)
SHOWN = [o for o in OPERATIONS if o.returns is not bytes or o.gives != JSON]
BODIES = [(name, title) for name, examples in EXAMPLES.items() for title in examples]


def test_service_hands_out_the_document(service: Service):
    status, headers, answer = service.call("GET", "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert answer["openapi"] == "3.1.0"
    assert answer["paths"].keys() == {o.path for o in SHOWN}


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_can_be_used_and_is_a_name_to_read(name: str):
    jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}"} | DOCUMENT)
    assert re.fullmatch(r"[A-Z]\w+", name)


@pytest.mark.parametrize("operation", SHOWN, ids=lambda o: f"{o.method} {o.path}")
def test_every_operation_says_what_it_does_and_how_it_fails(operation):
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert described["summary"]
    assert described["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    responses = described["responses"]
    assert all(r["description"] and "X-Request-Id" in r["headers"] for r in responses.values())
    assert all(kind.code in responses[str(int(kind.status))]["description"]
               for kind in operation.raises)  # fmt: skip
    assert ("401" in responses) or operation.access is Access.ANYONE
    assert "Retry-After" in responses[str(int(HTTPStatus.TOO_MANY_REQUESTS))]["headers"]


def test_limits_of_fields_are_documented_as_they_are_enforced():
    fields = DOCUMENT["components"]["schemas"]["PostSourceServerBody"]["properties"]
    assert fields["name"] == {"type": "string", "minLength": 1, "maxLength": 64}
    assert fields["cpu_quantity"] == {"type": ["integer", "null"], "minimum": 0, "maximum": 65535}


@pytest.mark.parametrize(("name", "title"), BODIES)
def test_examples_fit_their_schema(name: str, title: str):
    body = request_body(name)
    assert body["examples"][title]["value"] == EXAMPLES[name][title]
    validator = jsonschema_rs.Draft202012Validator(
        body["schema"] | {"components": DOCUMENT["components"]}
    )
    validator.validate(EXAMPLES[name][title])


@pytest.mark.parametrize("title", EXAMPLES["register_server"])
def test_examples_of_sources_are_taken_and_judged_fit(service: Service, title: str):
    token = service.token(project=f"example-{title}")
    body = EXAMPLES["register_server"][title]
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    assert status == 200
    _, _, shown = service.call("GET", f"/v3/sources/{answer['id']}", X_Auth_Token=token)
    assert [c for c in shown["checks"] if c["result"] == "ERROR"] == []
    assert shown["state"] == "waiting"


def test_page_has_all_it_needs_from_this_service(service: Service):
    with urlopen(service.url + "/docs") as answer:
        page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in policy
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "/docs/static/swagger-ui-bundle.js" in parts
    assert all(part.startswith("/") and not part.startswith("//") for part in parts)
    for part in parts:
        with urlopen(service.url + part) as answer:
            assert answer.status == 200, part
            if part.endswith(("page.js", "page.css")):
                assert "//" not in re.sub(r"// .*", "", answer.read().decode())


def request_body(name: str) -> dict[str, Any]:
    [operation] = [o for o in SHOWN if o.name == name]
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return dict(described["requestBody"]["content"]["application/json"])
