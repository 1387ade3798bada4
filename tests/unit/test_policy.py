import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.control.policy import ALIASES, Policy, read_document
from rehost.control.roles import ADMIN
from rehost.identity_errors import BadPolicy
from tests.unit.test_roles import CONTRACT

LEGACY: dict[str, set[str]] = {}
for described in CONTRACT["operations"].values():
    if alias := described.get("iam_action_legacy_inferred"):
        LEGACY.setdefault(alias, set()).add(described["iam_action"])

actions = st.sampled_from(sorted(ADMIN))
patterns = st.one_of(
    actions, st.sampled_from(sorted(ALIASES)), st.just("*"), actions.map(lambda a: a[:-3] + "*")
)
some = st.lists(patterns, max_size=5, unique=True)


def test_a_new_policy_allows_nothing():
    assert Policy().actions() == frozenset()


def test_an_action_is_allowed_by_its_name_alone():
    assert Policy(allow=("sms:server:get",)).actions() == {"sms:server:get"}


def test_a_pattern_allows_what_it_fits_within_the_parts_of_a_name():
    templates = {a for a in ADMIN if a.startswith("sms:template:")}
    assert Policy(allow=("sms:template:*",)).actions() == templates
    assert Policy(allow=("*:list",)).actions() == frozenset()
    assert "sms:template:list" in Policy(allow=("sms:*:list",)).actions()
    assert "sms::getConfig" in Policy(allow=("sms:*:*",)).actions()
    assert "rehost:audit:list" not in Policy(allow=("sms:*:*",)).actions()
    assert Policy(allow=("*",)).actions() == ADMIN


@pytest.mark.parametrize("alias", sorted(LEGACY))
def test_an_older_action_stands_for_those_of_the_contract(alias):
    assert LEGACY[alias] <= Policy(allow=(alias,)).actions()


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_older_action_can_be_denied(alias):
    assert Policy(allow=("*",), deny=(alias,)).actions() == ADMIN - ALIASES[alias]


def test_a_pattern_covers_older_actions_too():
    assert Policy(allow=("sms:server:query*",)).actions() == ALIASES["sms:server:queryServer"]


@given(allow=some, deny=some)
def test_what_is_denied_is_not_allowed_by_anything(allow, deny):
    policy = Policy(allow=tuple(allow), deny=tuple(deny))
    assert policy.actions().isdisjoint(Policy(allow=tuple(deny)).actions())
    assert policy.actions() <= Policy(allow=tuple(allow)).actions()


def test_what_is_added_last_counts():
    policy = Policy().changed(allow=["sms:server:get"]).changed(deny=["sms:server:get"])
    assert policy == Policy(deny=("sms:server:get",))
    assert policy.changed(remove=["sms:server:get"]) == Policy()


def test_a_mistyped_action_is_refused_with_the_one_that_was_meant():
    with pytest.raises(BadPolicy, match="did you mean sms:server:get\\?"):
        Policy().changed(allow=["sms:sever:get"])
    with pytest.raises(BadPolicy, match="no action fits"):
        Policy().changed(deny=["sms:volume:*"])


@pytest.mark.parametrize("text", ["", "x", "sms:server:[a-z]+", "sms:server:", "**:get", "\x00"])
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(BadPolicy):
        Policy().changed(allow=[text])


def test_nothing_is_removed_that_is_not_there():
    with pytest.raises(BadPolicy, match="has no sms:server:get to remove"):
        Policy().changed(remove=["sms:server:get"])


def test_nothing_is_allowed_and_denied_at_once():
    with pytest.raises(BadPolicy, match="at once"):
        Policy().changed(allow=["sms:server:get"], deny=["sms:server:get"])


def test_an_action_that_a_later_version_dropped_allows_nothing():
    assert Policy(allow=("sms:server:gone", "sms:server:get")).actions() == {"sms:server:get"}


def document(*statements) -> bytes:
    return json.dumps({"Version": "1.1", "Statement": list(statements)}).encode()


def test_a_policy_of_the_public_service_is_read():
    policy, foreign = read_document(
        document(
            {
                "Effect": "Allow",
                "Action": ["sms:server:queryServer", "sms:template:*", "iam:roles:listRoles"],
            },
            {"Effect": "Deny", "Action": ["sms:template:delete"]},
        )
    )
    assert foreign == ("iam:roles:listRoles",)
    assert policy == Policy(
        allow=("sms:server:queryServer", "sms:template:*"), deny=("sms:template:delete",)
    )


def test_denying_wins_in_a_policy_of_the_public_service():
    both = ({"Effect": e, "Action": ["sms:server:get"]} for e in ("Allow", "Deny"))
    policy, _ = read_document(document(*both))
    assert policy.actions() == frozenset()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b'{"Statement": [{"Effect": "Perhaps", "Action": []}]}',
        document({"Effect": "Allow", "Action": ["sms:server:*"], "Resource": ["sms:*:*:server:a"]}),
        document({"Effect": "Allow", "Action": ["sms:server:*"], "Condition": {"Bool": {}}}),
        document({"Effect": "Allow", "Action": ["sms:sever:get"]}),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(bad):
    with pytest.raises(BadPolicy):
        read_document(bad)
