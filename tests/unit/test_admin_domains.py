import pytest

from rehost.control.store import identity
from rehost.control.store.schema import roles, templates
from rehost.errors import IdentityExists, IdentityNotFound
from rehost.identity_errors import InUse
from tests.unit.identities import house
from tests.unit.test_admin_identity import rehost, words_of

__all__ = ["rehost"]


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


def test_a_domain_is_made_listed_and_deleted(rehost):
    domain_id = rehost("domain", "create", "acme").strip()
    with pytest.raises(IdentityExists):
        rehost("domain", "create", "acme")
    rehost("project", "create", "p", "--domain", "acme")
    rehost("user", "create", "ann", "--domain", "acme", "--project", "p")
    assert ["acme", "1", "1", domain_id] in words_of(rehost("domain", "list"))
    with pytest.raises(InUse, match="it has users"):
        rehost("domain", "delete", "acme")
    rehost("user", "delete", "ann", "--domain", "acme")
    with pytest.raises(InUse, match="it has projects"):
        rehost("domain", "delete", "acme")
    rehost("project", "delete", "p", "--domain", "acme")
    rehost("domain", "delete", "acme")
    assert "acme" not in rehost("domain", "list")
    with pytest.raises(IdentityNotFound, match="no domain 'acme'"):
        rehost("domain", "delete", "acme")


def test_a_domain_goes_with_its_roles(home):
    with home.database.write() as db:
        domain = identity.create_domain(db, "acme")
        values = {"domain_id": domain.id, "name": "r", "policy": "{}"}
        db.execute(roles.insert().values(values))
        identity.delete_domain(db, domain)
        assert db.execute(roles.select()).all() == []


def test_a_project_with_sources_is_not_deleted(home):
    project = home.project("p")
    home.source(project)
    with home.database.write() as db, pytest.raises(InUse, match="source servers"):
        identity.delete_project(db, project)
    with home.database.read() as db:
        assert identity.project_with_id(db, project.id) == project


def test_a_project_goes_with_its_templates_and_grants(home):
    user = home.user(p="operator")
    project = home.project("p")
    values = {
        "id": "t",
        "project_id": project.id,
        **dict.fromkeys(("name", "region", "availability_zone", "document"), ""),
    }
    with home.database.write() as db:
        db.execute(templates.insert().values(values))
        identity.delete_project(db, project)
        assert db.execute(templates.select()).all() == []
        assert identity.grants_of(db, user.id) == []
