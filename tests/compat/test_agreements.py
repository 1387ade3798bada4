"""The privacy agreement over HTTP: each caller accepts for itself."""

import uuid

from tests.compat.bodies import identified, linux
from tests.compat.conftest import Service

PATH = "/v3/privacy-agreements"


def accepted(service: Service, token: str) -> bool:
    status, _, answer = service.call("GET", PATH, X_Auth_Token=token)
    assert status == 200, answer
    return bool(answer["flag"])


def test_each_caller_accepts_for_itself(service: Service):
    token, reader = service.token(), service.token("reader")
    body = linux(facts=identified(uuid.uuid4().hex))
    _, _, source = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    callers = [reader, source["agent_token"], token]
    for n, caller in enumerate(callers):
        assert not accepted(service, caller)
        assert service.call("POST", PATH, X_Auth_Token=caller)[::2] == (200, {})
        assert service.call("POST", PATH, b"", X_Auth_Token=caller)[::2] == (200, {})
        assert [accepted(service, each) for each in callers] == [m <= n for m in range(3)]


def test_nobody_in_particular_cannot(service: Service):
    with service.house() as house:
        code = house.code(house.project())
    for method in ("GET", "POST"):
        assert service.call(method, PATH)[0] == 401
        assert service.call(method, PATH, X_Enrolment_Code=code)[0] == 403
