import json

import pytest

from rehost.control.policy import ALIASES, Policy
from rehost.control.roles import ADMIN, READER
from rehost.control.store import roles
from rehost.errors import IdentityExists, IdentityNotFound, InvalidRequest
from rehost.identity_errors import BadPolicy, InUse, RoleIsBuiltIn
from tests.unit.identities import asks, house
from tests.unit.test_admin_identity import database, rehost, words_of

__all__ = ["database", "rehost"]


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


def test_a_new_role_allows_nothing(rehost):
    rehost("role", "create", "nobody")
    assert rehost("role", "show", "nobody") == "(nothing)\n"
    rehost("user", "create", "ann", "--role", "nobody")
    assert "nobody of default" in rehost("user", "list")


def test_a_role_is_made_listed_changed_and_deleted(rehost):
    rehost("role", "create", "writer", "--allow", "sms:template:*")
    rehost("role", "change", "writer", "--deny", "sms:template:getTargetPassword")
    rehost("role", "change", "writer", "--allow", "sms:server:queryServer")
    shown = set(rehost("role", "show", "writer").split())
    templates = {a for a in ADMIN if a.startswith("sms:template:")}
    assert (
        shown == templates - {"sms:template:getTargetPassword"} | ALIASES["sms:server:queryServer"]
    )
    listed = words_of(rehost("role", "list"))
    assert [row[0] for row in listed] == ["NAME", "admin", "operator", "reader", "writer"]
    assert listed[-1][1:3] == ["default", str(len(shown))]
    rehost("role", "change", "writer", "--remove", "sms:template:*")
    assert set(rehost("role", "show", "writer").split()) == ALIASES["sms:server:queryServer"]
    rehost("role", "delete", "writer")
    with pytest.raises(IdentityNotFound, match="no role 'writer'"):
        rehost("role", "show", "writer")


def test_a_built_in_role_stays_what_it_is(rehost):
    rehost("user", "create", "ann")
    assert set(rehost("role", "show", "reader").split()) == READER
    for words in (("create", "admin"), ("change", "reader", "--allow", "*"), ("delete", "admin")):
        with pytest.raises(RoleIsBuiltIn):
            rehost("role", *words)


def test_a_role_is_its_domains_own(rehost):
    rehost("domain", "create", "other")
    rehost("role", "create", "watcher", "--allow", "sms:server:list", "--domain", "other")
    rehost("role", "create", "watcher")
    with pytest.raises(IdentityExists):
        rehost("role", "create", "watcher")
    rehost("project", "create", "p", "--domain", "other")
    rehost("user", "create", "bob", "--domain", "other", "--project", "p", "--role", "watcher")
    rehost("role", "delete", "watcher")
    with pytest.raises(IdentityNotFound, match="no role 'watcher' in domain 'default'"):
        rehost("user", "create", "ann", "--role", "watcher")
    assert "bob" in rehost("user", "list")
    with pytest.raises(IdentityNotFound, match="no domain 'nowhere'"):
        rehost("role", "create", "watcher", "--domain", "nowhere")


def test_a_role_that_somebody_has_is_not_deleted(rehost):
    rehost("role", "create", "watcher")
    rehost("user", "create", "ann", "--role", "watcher")
    with pytest.raises(InUse, match="the role of ann"):
        rehost("role", "delete", "watcher")
    rehost("user", "grant", "ann", "--role", "reader")
    rehost("role", "delete", "watcher")


def test_a_mistake_makes_no_role(rehost):
    rehost("user", "create", "ann")
    with pytest.raises(BadPolicy):
        rehost("role", "create", "watcher", "--allow", "sms:sever:get")
    with pytest.raises(InvalidRequest):
        rehost("role", "create", "w" * 65)
    assert "watcher" not in rehost("role", "list")


def test_a_policy_of_the_public_service_is_taken_from_a_file_or_a_pipe(rehost, tmp_path):
    statement = {"Effect": "Allow", "Action": ["sms:server:get", "iam:agencies:listAgencies"]}
    text = json.dumps({"Version": "1.1", "Statement": [statement]})
    (tmp_path / "policy.json").write_text(text)
    rehost("role", "create", "a", "--policy", str(tmp_path / "policy.json"))
    rehost("role", "create", "b", "--policy", "-", stdin=text)
    assert rehost("role", "show", "a") == rehost("role", "show", "b") == "sms:server:get\n"
    with pytest.raises(BadPolicy, match="No such file"):
        rehost("role", "create", "c", "--policy", str(tmp_path / "none.json"))


def test_every_action_and_alias_is_listed(rehost):
    listed = {row[0] for row in words_of(rehost("role", "actions"))[1:]}
    assert listed == ADMIN | ALIASES.keys()


def test_a_changed_role_counts_at_the_next_request_of_every_process(home):
    domain = home.project().domain
    policy = Policy(allow=("sms:server:get",))
    with home.database.write() as db:
        role = roles.create_role(db, "watcher", domain, policy)
    token = home.token(home.user(default="watcher"), home.project())
    processes = [home.authenticator(), home.authenticator()]
    for auth in processes:
        assert asks(auth, x_auth_token=token).actions == {"sms:server:get"}
    with home.database.write() as db:
        roles.change_role(db, role, policy.changed(allow=["sms:server:list"]))
    for auth in processes:
        assert asks(auth, x_auth_token=token).actions == {"sms:server:get", "sms:server:list"}


def test_a_role_of_another_domain_with_the_same_name_gives_nothing(home):
    one, two = home.project("p", "one"), home.project("p", "two")
    with home.database.write() as db:
        roles.create_role(db, "r", one.domain, Policy(allow=("*",)))
        roles.create_role(db, "r", two.domain, Policy())
    user = home.user("eve", "two", p="r")
    caller = asks(home.authenticator(), x_auth_token=home.token(user, two))
    assert caller.actions == frozenset()


def test_over_several_projects_a_role_allows_what_all_do(home):
    domain = home.project().domain
    with home.database.write() as db:
        roles.create_role(db, "r", domain, Policy(allow=("sms:server:get", "sms:task:*")))
    token = home.token(home.user(one="admin", two="r"))
    assert asks(home.authenticator(), x_auth_token=token).actions == {"sms:server:get"}
