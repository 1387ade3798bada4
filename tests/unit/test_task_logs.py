from types import SimpleNamespace
from typing import Any

import pytest

from rehost.control import tasks
from rehost.control.api import task_logs
from rehost.control.config import ServeConfig
from rehost.control.operation import Caller
from rehost.system.files import write_atomically
from rehost.task_errors import TaskNotFound
from tests.unit.identities import house
from tests.unit.tasks import new_source, new_task


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


def test_no_log_is_left_of_a_task_that_is_deleted_meanwhile(home, monkeypatch):
    task = new_task(home, new_source(home))
    services: Any = SimpleNamespace(database=home.database, config=ServeConfig(data=home.data))
    caller = Caller(project_id=task.project_id, projects=(task.project_id,))
    context: Any = SimpleNamespace(services=services, caller=caller)

    def slowly(*arguments: Any, mode: int) -> None:
        write_atomically(*arguments, mode=mode)
        with home.database.write() as db:
            tasks.delete(db, task)

    monkeypatch.setattr(task_logs, "write_atomically", slowly)
    with pytest.raises(TaskNotFound):
        task_logs.upload_log.function(context, task.id, b"what only its machine should know")
    assert not task_logs.path(services, task.id).exists()
