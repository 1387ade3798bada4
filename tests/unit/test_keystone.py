"""What a Keystone's answers mean; tests/compat has a real one."""

import json

import pytest

from rehost.control.keystone import TRUSTED_MS, Keystone
from rehost.errors import KeystoneUnreachable
from tests.unit.identities import house

DOMAIN = {"id": "d1", "name": "Default"}
PROJECT = {"id": "p1", "name": "shop", "domain": DOMAIN}


class Answers:
    """Stands where Keystone's HTTP session does."""

    def __init__(self, status=200, content=None, **token):
        body = {
            "user": {"id": "u1", "name": "mia", "domain": DOMAIN},
            "expires_at": "2100-01-01T00:00:00.000000Z",
            "roles": [{"name": "member"}],
            "project": PROJECT,
        }
        self.status_code = status
        self.content = content or json.dumps({"token": body | token}).encode()
        self.asked = 0

    def get(self, *_, **__):
        self.asked += 1
        return self


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as opened:
        yield opened


@pytest.fixture
def clock():
    """In ms, for tests to set."""
    return [1_000_000]


@pytest.fixture
def keystone(home, clock):
    return Keystone("http://k/v3", ca_file="", database=home.database, clock=lambda: clock[0])


def ask(keystone, answers):
    keystone._session = answers
    keystone.ask("t")
    return keystone.caller("t")


@pytest.mark.parametrize(
    ("roles", "allowed", "refused"),
    [
        (["admin"], "sms:server:delete", None),
        (["member"], "sms:server:delete", None),
        (["reader"], "sms:server:get", "sms:server:delete"),
        (["reader", "member", "custom"], "sms:server:delete", None),
    ],
)
def test_roles(keystone, roles, allowed, refused):
    caller = ask(keystone, Answers(roles=[{"name": name} for name in roles]))
    assert allowed in caller.actions
    assert refused not in caller.actions
    assert (caller.user_id, caller.projects) == ("u1", ("p1",))


@pytest.mark.parametrize(
    "answers",
    [Answers(404), Answers(401), Answers(roles=[{"name": "custom"}]), Answers(project=None)],
)
def test_no_caller(keystone, answers):
    assert ask(keystone, answers) is None
    assert keystone.unknown({"x-auth-token": "t"}) is None


@pytest.mark.parametrize("answers", [Answers(500), Answers(content=b"<html>"), Answers(user=1)])
def test_an_answer_that_says_nothing_is_an_error(keystone, answers):
    with pytest.raises(KeystoneUnreachable):
        ask(keystone, answers)
    assert keystone.unknown({"x-auth-token": "t"}) == "t"


def test_what_it_said_counts_for_a_while_and_never_after_the_token_s_end(keystone, clock):
    assert ask(keystone, Answers())
    clock[0] += TRUSTED_MS
    assert keystone.caller("t") is None
    assert keystone.unknown({"x-auth-token": "t"}) == "t"
    ends = "1970-01-01T00:17:20.000000Z"  # 1,040,000 ms
    clock[0] = 1_035_000
    assert ask(keystone, Answers(expires_at=ends))
    clock[0] = 1_040_000
    assert keystone.caller("t") is None


@pytest.mark.parametrize("token", ["", "rht_ours", "rha_ours"])
def test_our_own_tokens_are_not_shown_to_keystone(keystone, token):
    assert keystone.unknown({"x-auth-token": token}) is None


def test_its_domain_may_have_the_name_of_one_of_ours(keystone, home):
    home.project(domain="Default")
    assert ask(keystone, Answers())


def test_its_project_may_have_the_name_of_one_that_was_deleted_there(keystone):
    first, second = ask(keystone, Answers()), ask(keystone, Answers(project=PROJECT | {"id": "p2"}))
    assert (first.projects, second.projects) == (("p1",), ("p2",))
