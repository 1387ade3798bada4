"""How Terraform's public provider for this API makes its requests, and what it makes of answers.

Learned from its source: headers, the order of signing, accepted statuses, the pages of its lists.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from rehost.contract.signature import Request, sign
from tests.compat.conftest import Service

REGION = "local"
ACCEPTED = {
    "GET": {200},
    "POST": {200, 201, 202},
    "PUT": {200, 201, 202},
    "DELETE": {200, 202, 204},
}


class Gone(Exception):
    """404: the provider takes the resource out of its state."""


@dataclass
class Provider:
    """A configured provider: its region's project and its domain were asked for at the start."""

    service: Service
    access: str
    secret: str
    project: str = ""
    domain: str = ""

    def configure(self) -> None:
        [project] = self.get(f"/v3/projects?name={REGION}")["projects"]
        [domain] = self.get("/v3/auth/domains")["domains"]
        self.project, self.domain = project["id"], domain["id"]

    def request(self, method: str, target: str, body: object = None) -> Any:
        """One request. Raises Gone for 404; any other status must be one that is accepted."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "golangsdk/2.0.0",
        }
        request = Request(method=method, target=target, headers=headers, body=content)
        headers |= sign(request, self.access, self.secret, now=datetime.now(UTC))
        # Only now: these are not signed.
        if self.project:
            headers |= {"X-Project-Id": self.project, "X-Domain-Id": self.domain}
        names = {name.replace("-", "_"): value for name, value in headers.items()}
        sent = None if body is None else content
        status, _, answer = self.service.call(method, target, sent, **names)
        if status == 404:
            raise Gone
        assert status in ACCEPTED[method], (method, target, status, answer)
        return answer

    def get(self, target: str) -> Any:
        return self.request("GET", target)

    def pages(self, target: str, field: str, limit: int = 0) -> list[Any]:
        """All pages of a data source: the first with `limit`, or none; on until one is empty."""
        path, _, query = target.partition("?")
        asked = dict(parse_qsl(query))
        if limit:
            asked |= {"limit": str(limit), "offset": "0"}
        found: list[Any] = []
        while True:
            text = f"?{urlencode(sorted(asked.items()))}" if asked else ""
            page = self.get(path + text).get(field) or []
            if not page:
                return found
            found += page
            offset = int(asked.get("offset", 0)) + (int(asked.get("limit", 0)) or len(page))
            asked["offset"] = str(offset)


def configured(service: Service, name: str, *, role: str = "operator") -> Provider:
    """A provider with an access key of a new user, who has a role in one new project."""
    with service.house() as house:
        house.user(name, **{name: role})
    printed = service.rehost("user", "key", "create", name)
    access, secret = re.findall(r"[AS]K: (\S+)", printed)
    provider = Provider(service, access, secret)
    provider.configure()
    return provider
