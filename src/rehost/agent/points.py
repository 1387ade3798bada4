"""Consistent points between service and child: asked for by one, held by the other, told, taken."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from rehost.contract import agent_api
from rehost.contract.client import Client
from rehost.contract.transfer import CUT, Transfer
from rehost.errors import ApiError, Error

log = logging.getLogger(__name__)

TEXT, LONG_TEXT, MOST = 255, 1024, 1024  # characters, and pieces, that the service takes
WEEK_MS = 7 * 24 * 3600 * 1000

Tell = Callable[[str], None]


class Points:
    """What one child was asked for. Whoever starts another makes another of these."""

    def __init__(self, client: Client, transfer: Transfer) -> None:
        self._client = client
        self._task_id = transfer.task_id
        # What was taken is not wanted again, and what was not is taken anew.
        self._asked = self._taken = transfer.taken
        self._told = CUT

    def exchange(self, tell: Tell, said: Mapping[str, Any]) -> None:
        """Pass on what is new to either side; `said` is the child's last word of each kind.

        Raises what Client.call raises; then it may be called again.
        """
        point = said.get("point")
        if point is not None and point["number"] > self._told:
            self._report(point)
            self._told = point["number"]
        if said.get("phase") == "syncing" and (now := self._transfer()) is not None:
            self._pass_on(tell, now)

    def report_cut(self, cut: Mapping[str, Any]) -> None:
        """Raises what Client.call raises, if it may help to call this again."""
        self._report({"number": CUT, **cut})

    def _transfer(self) -> Transfer | None:
        """None while the service makes use of a point."""
        try:
            return agent_api.transfer(self._client, self._task_id)
        except ApiError as e:
            if e.code != agent_api.TARGET_NOT_READY:
                raise
            return None

    def _pass_on(self, tell: Tell, now: Transfer) -> None:
        if now.taken > self._taken:
            self._taken = now.taken
            tell(json.dumps({"taken": now.taken}))
        if now.point > max(self._asked, now.taken):
            self._asked = now.point
            log.info("task %s: consistent point %d is wanted", self._task_id, now.point)
            tell(json.dumps({"point": now.point}))

    def _report(self, point: Mapping[str, Any]) -> None:
        try:
            agent_api.report_point(self._client, self._task_id, _body(point))
        except Error as e:
            if e.retryable:
                raise
            log.warning("the service does not take what was held: %s", e)
            if point["number"] != CUT and "error_code" not in point:
                # Or it would wait for the point, and the child for the service, without end.
                said = {"error_code": e.code, "error_msg": f"the service does not take it: {e}"}
                self._report({"number": point["number"], **said})


def _body(point: Mapping[str, Any]) -> dict[str, Any]:
    if "error_code" in point:
        message = _fit(point["error_msg"], LONG_TEXT)
        return {"number": point["number"], "error_code": point["error_code"], "error_msg": message}
    return {
        "number": point["number"],
        "age_ms": min(max(0.0, 1000 * (time.monotonic() - point["stood_at"])), WEEK_MS),
        "duration_ms": 1000 * point["duration_s"],
        "frozen": [_fit(path, LONG_TEXT) for path in point["frozen"][:MOST]],
        "skipped": [[_fit(s, LONG_TEXT) for s in pair] for pair in point["skipped"][:MOST]],
        "failed_hooks": [_fit(name, TEXT) for name in point["failed_hooks"][:MOST]],
    }


def _fit(text: object, length: int) -> str:
    """Paths may be long, and may hold bytes that are no text."""
    return str(text).encode(errors="replace").decode()[:length]
