"""What comparing both ends gave, on its way from the child to the service."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rehost.contract import agent_api
from rehost.contract.client import Client
from rehost.errors import Error

log = logging.getLogger(__name__)

MIB = 1 << 20  # a block of what is compared

Verified = Sequence[Mapping[str, Any]]  # as stages/replicate/job.py has it


class Comparisons:
    """Of one task: each is told once, in the order in which they were made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: deque[Verified] = deque()

    def add(self, verified: Verified) -> None:
        self._waiting.append(verified)

    def tell(self, task_id: str) -> None:
        """Raises what Client.call raises, if it may help to call this again."""
        while self._waiting:
            self._report(task_id, list(rows(self._waiting[0])))
            self._waiting.popleft()

    def forget(self) -> None:
        self._waiting.clear()

    def _report(self, task_id: str, told: list[dict[str, Any]]) -> None:
        try:
            agent_api.report_consistency(self._client, task_id, told)
        except Error as e:
            if e.retryable:
                raise
            log.warning("the service does not take what the comparison gave: %s", e)


def rows(verified: Verified) -> Iterator[dict[str, Any]]:
    """A row for each disk, in the API's words.

    The API counts files; here they are blocks of a MiB. None is missing or too many on the target.
    What could not be read, and is zeros there, counts as different.
    """
    for disk in verified:
        wrong = {
            block
            for r in (*disk["differed"], *disk["unreadable"])
            for block in range(r["offset"] // MIB, -(-(r["offset"] + r["length"]) // MIB))
        }
        yield {
            "dir_check": disk["name"],
            "num_total_files": -(-disk["compared"] // MIB),
            "num_different_files": len(wrong),
            "num_target_miss_files": 0,
            "num_target_more_files": 0,
        }
