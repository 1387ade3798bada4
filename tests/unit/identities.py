"""People and machines for tests, in a real database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rehost.control import keys
from rehost.control.auth import Authenticator
from rehost.control.clock import now_ms
from rehost.control.keys import Keys
from rehost.control.operation import Caller
from rehost.control.store import credentials, identity, sources
from rehost.control.store.database import Database
from rehost.control.store.hot import HotReader, open_hot
from rehost.control.store.identity import Project, User
from rehost.control.store.schema import sources as table


@dataclass
class House:
    """One service's users; `ahead` sets the clock of its authenticators."""

    data: Path
    url: str
    database: Database
    keys: Keys
    ahead: int = 0  # ms
    readers: list[HotReader] = field(default_factory=list)

    def authenticator(self) -> Authenticator:
        """As of a process of its own."""
        reader = open_hot(self.url)
        self.readers.append(reader)
        return Authenticator(reader, self.keys, clock=lambda: now_ms() + self.ahead)

    def project(self, name: str = "default", domain: str = "default") -> Project:
        with self.database.write() as db:
            return identity.ensure_project(db, name, domain=domain)

    def user(self, name: str = "ann", domain: str = "default", **roles: str) -> User:
        """A user with these roles in these projects."""
        owner = self.project(domain=domain).domain
        projects = {name: self.project(name, domain) for name in roles}
        with self.database.write() as db:
            user = identity.create_user(db, name, owner, password_hash="-")
            for project_name, role in roles.items():
                identity.grant(db, user, projects[project_name], role)
        return user

    def token(self, user: User, project: Project | None = None) -> str:
        with self.database.write() as db:
            return credentials.issue_token(db, user, project)[0]

    def code(self, project: Project, hours: int = 24, *, maker: str = "of Keystone") -> str:
        with self.database.write() as db:
            return credentials.create_enrolment(db, project.id, maker, hours=hours)[0]

    def source(self, project: Project, source_id: str = "s1") -> str:
        """A stored source, with as little in it as the table takes."""
        values = {
            c.name: 0 if c.type.python_type is not str else ""
            for c in table.columns
            if not c.nullable and not c.primary_key
        }
        with self.database.write() as db:
            sources.insert(
                db,
                {**values, "id": source_id, "project_id": project.id}
                | {"connected": False, "has_consistency_result": False},
            )
        return source_id

    def agent(self, project: Project, source_id: str = "s1") -> str:
        with self.database.write() as db:
            return credentials.issue_agent_token(db, source_id, project.id)


@contextmanager
def house(data: Path, url: str = "") -> Iterator[House]:
    url = url or f"sqlite:///{data / 'rehost.db'}"
    database = Database(url)
    database.upgrade()
    made = House(data, url, database, keys.load(data))
    try:
        yield made
    finally:
        for reader in made.readers:
            reader.close()
        database.close()


def asks(authenticator: Authenticator, **headers: str) -> Caller:
    """The caller of a GET with these headers: `x_auth_token="…"` and so on."""
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return authenticator.caller("GET", "/v3/sources", "", lower, b"")
