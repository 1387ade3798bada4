"""Kill -9 at any moment of a storm of writes: what was acknowledged is there afterwards."""

import os
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.error import URLError

import pytest

from tests.compat.bodies import linux, new_task
from tests.compat.conftest import Service

CALLERS = 4
SEED = int(os.environ.get("REHOST_STORM_SEED", random.randrange(1 << 30)))
# What a killed service does to a request; whether it was done, nobody knows then.
CUT = (URLError, ConnectionError, TimeoutError, OSError, ValueError)


@dataclass
class Storm:
    """Callers that write without pause, and what was acknowledged to them."""

    service: Service
    token: str
    kept: dict[str, str] = field(default_factory=dict)  # task: its last acknowledged name
    gone: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)  # the answer to its last change was cut off
    sources: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, *, kills: int, seed: int) -> None:
        chance = random.Random(seed)
        threads = [
            threading.Thread(target=self._call, args=(random.Random(seed + n),))
            for n in range(CALLERS)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.1, 1.0))
                self.service.kill()
                self.service.start()
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _call(self, chance: random.Random) -> None:
        """One caller, with sources and tasks of its own."""
        while not self.over.is_set():
            try:
                self._life(chance)
            except CUT:
                time.sleep(0.05)

    def _life(self, chance: random.Random) -> None:
        source_id = self._ask("POST", "/v3/sources", linux(name=f"s-{uuid.uuid4().hex[:8]}"))["id"]
        self.sources.add(source_id)
        name = uuid.uuid4().hex[:16]
        started = chance.random() < 0.1
        sent = new_task(source_id, name=name, auto_start=started)
        task_id = self._ask("POST", "/v3/tasks", sent)["id"]
        self.kept[task_id] = name
        for _ in range(chance.randrange(4)):
            name = uuid.uuid4().hex[:16]
            self._change(task_id, "PUT", f"/v3/tasks/{task_id}", {"name": name})
            self.kept[task_id] = name
        if not started and chance.random() < 0.5:
            self._change(task_id, "DELETE", f"/v3/tasks/{task_id}", None)
            self.gone.add(task_id)

    def _change(self, task_id: str, method: str, path: str, body: object) -> None:
        self.unsure.add(task_id)
        self._ask(method, path, body)
        self.unsure.discard(task_id)

    def _ask(self, method: str, path: str, body: object) -> Any:
        status, _, answer = self.service.call(method, path, body, X_Auth_Token=self.token)
        if status == 503:
            raise ConnectionError
        assert status == 200, answer
        return answer


def storm(service: Service, *, kills: int) -> Storm:
    project = f"storm-{uuid.uuid4().hex[:8]}"
    made = Storm(service, service.token(project=project))
    made.run(kills=kills, seed=SEED)
    return made


def assert_nothing_is_lost(made: Storm) -> None:
    service, token = made.service, made.token
    assert made.kept, f"nothing was written; seed {SEED}"
    for task_id, name in made.kept.items():
        status, _, answer = service.call("GET", f"/v3/tasks/{task_id}", X_Auth_Token=token)
        if task_id in made.unsure:
            assert status in (200, 404)
        elif task_id in made.gone:
            assert status == 404, f"{task_id} was deleted; seed {SEED}"
        else:
            assert (status, answer.get("name")) == (200, name), f"seed {SEED}"
        if status == 200:
            shown = service.call(
                "GET", f"/v3/sources/{answer['source_server']['id']}", X_Auth_Token=token
            )[2]
            assert shown["current_task"]["id"] == task_id
            assert shown["current_task"]["state"] == answer["state"]
    for source_id in made.sources:
        assert service.call("GET", f"/v3/sources/{source_id}", X_Auth_Token=token)[0] == 200
    listed = service.call("GET", "/v3/tasks?limit=200", X_Auth_Token=token)[2]
    assert listed["count"] >= len(made.kept.keys() - made.gone - made.unsure)
    assert len(listed["tasks"]) == min(200, listed["count"])


def test_what_was_acknowledged_outlives_kills(make_service: Callable[..., Service]):
    assert_nothing_is_lost(storm(make_service("--provider", "null"), kills=2))


@pytest.mark.slow
def test_what_was_acknowledged_outlives_many_kills(make_service: Callable[..., Service]):
    kills = int(os.environ.get("REHOST_STORM_KILLS", "60"))
    assert_nothing_is_lost(storm(make_service("--provider", "null", "--workers", "2"), kills=kills))
