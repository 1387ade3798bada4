"""A role that an administrator made, as its user meets it."""

import base64
import json
import uuid

import pytest

from tests.compat.bodies import linux
from tests.compat.conftest import Service


@pytest.fixture
def role(service: Service) -> str:
    """A new role of the domain "default", which allows nothing yet."""
    name = f"role-{uuid.uuid4().hex[:8]}"
    service.rehost("role", "create", name)
    return name


def test_a_new_role_is_refused_everything_in_the_documented_words(service: Service, role: str):
    operator, token = service.token(project="roles"), service.token(role, project="roles")
    _, _, source = service.call("POST", "/v3/sources", linux(), X_Auth_Token=operator)
    path = f"/v3/sources/{source['id']}"
    status, _, answer = service.call("GET", path, X_Auth_Token=token)
    assert status == 403
    sentence = (
        "You do not have permission to perform action sms:server:get "
        f"on resource source servers {source['id']}."
    )
    encoded = answer.pop("encoded_authorization_message")
    assert answer == {
        "error_code": "SMS.9004",
        "error_msg": "The current account does not have the permission to execute policy "
        + sentence,
        "error_param": [sentence],
        "details": [{"error_code": "SMS.9004", "error_msg": sentence}],
    }
    assert json.loads(base64.b64decode(encoded)) == {
        "action": "sms:server:get",
        "resource": f"source servers {source['id']}",
    }


def test_a_role_allows_what_its_older_action_stands_for_and_no_more(service: Service, role: str):
    operator, token = service.token(project="roles"), service.token(role, project="roles")
    service.rehost("role", "change", role, "--allow", "sms:server:queryServer")
    _, _, source = service.call("POST", "/v3/sources", linux(), X_Auth_Token=operator)
    path = f"/v3/sources/{source['id']}"
    assert service.call("GET", path, X_Auth_Token=token)[0] == 200
    assert service.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200
    assert service.call("PUT", path, {"name": "n"}, X_Auth_Token=token)[0] == 403
    assert service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)[0] == 403
    service.rehost("role", "change", role, "--deny", "sms:server:get")
    assert service.call("GET", path, X_Auth_Token=token)[0] == 403
    assert service.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200


def test_a_token_says_the_role_by_its_name(service: Service, role: str):
    token = service.token(role, project="roles")
    _, _, answer = service.call("GET", "/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token)
    assert answer["token"]["roles"] == [{"id": role, "name": role}]
