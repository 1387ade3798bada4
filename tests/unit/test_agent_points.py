"""What the agent tells of a point: what the service takes, whatever the source's paths are."""

import time
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from rehost.agent.points import Points
from rehost.contract import agent_api
from rehost.contract.transfer import Transfer
from rehost.control.api.points import TellPointReq
from rehost.errors import ApiError

TRANSFER = Transfer(task_id="t", host="h", port=1, tls=True, disks=(), syncing=True)


class Service:
    """Notes what it is told; `refuses` the first so many."""

    def __init__(self, refuses: int = 0) -> None:
        self.told: list[dict[str, Any]] = []
        self.refuses = refuses

    def report_point(self, client: object, task_id: str, body: dict[str, Any]) -> None:
        self.told.append(body)
        if len(self.told) <= self.refuses:
            raise ApiError("no", code="REHOST.4000", status=HTTPStatus.BAD_REQUEST)


def held(**more: object) -> dict[str, Any]:
    return {
        "number": 1,
        "stood_at": time.monotonic(),
        "duration_s": 0.01,
        "frozen": [],
        "skipped": [],
        "failed_hooks": [],
        **more,
    }


def tell(monkeypatch: pytest.MonkeyPatch, service: Service, point: dict[str, Any]) -> None:
    monkeypatch.setattr(agent_api, "report_point", service.report_point)
    points = Points(None, TRANSFER)  # type: ignore[arg-type]
    points.exchange(lambda _: None, {"point": point})


@pytest.mark.parametrize(
    "strange",
    [
        {"frozen": ["/" + "x" * 4000]},
        {"frozen": ["/mnt/\udcff"]},
        {"skipped": [["/\udcff", "y" * 2000]]},
        {"skipped": [["/a", "b"]] * 2000},
        {"failed_hooks": ["\udcff" * 300]},
        {"stood_at": time.monotonic() - 30 * 24 * 3600},
    ],
)
def test_any_source_can_tell_a_point(monkeypatch, strange):
    service = Service()
    tell(monkeypatch, service, held(**strange))
    (body,) = service.told
    msgspec.json.decode(msgspec.json.encode(body), type=TellPointReq)


def test_point_that_is_not_taken_is_told_as_one_that_could_not_be_had(monkeypatch):
    service = Service(refuses=1)
    tell(monkeypatch, service, held())
    assert [("error_code" in body, body["number"]) for body in service.told] == [
        (False, 1),
        (True, 1),
    ]
    assert service.told[1]["error_code"] == "REHOST.4000"
