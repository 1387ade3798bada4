from pathlib import Path
from typing import Any

import pytest

from rehost.agent.replication import Replication
from rehost.contract import agent_api
from rehost.contract.agent_api import Command
from rehost.contract.client import Client
from rehost.stream_errors import SenderDied


def test_the_task_says_why_copying_waits_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    told: list[Any] = []

    def dies(*_: object) -> None:
        raise SenderDied("the process that copies ended with status -9")

    monkeypatch.setattr(agent_api, "transfer", dies)
    monkeypatch.setattr(agent_api, "report_progress", lambda *words: told.append(words[-1]))
    replication = Replication(Client("http://127.0.0.1:1"), frozenset, state=tmp_path)
    replication.begin(Command(name="START", parameters={"task_id": "a"}))
    assert replication.turn() is None
    [body] = told
    assert body["process_trace"] == "the process that copies ended with status -9"
    assert body["subtask_name"] == "MIGRATE_LINUX_BLOCK"
    assert "remain_time" not in body
