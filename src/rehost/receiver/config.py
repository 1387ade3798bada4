"""The receiver's one argument: a file with a ReceiverConfig as JSON, keyed as its fields."""

import json
from pathlib import Path
from typing import Any

from rehost.contract.transfer import Certificates, ReceivedDisk, ReceiverConfig
from rehost.errors import BadConfiguration


def read_config(file: Path) -> ReceiverConfig:
    """Raises BadConfiguration."""
    try:
        return parse_config(file.read_text())
    except OSError as e:
        raise BadConfiguration(f"cannot read {file}: {e.strerror}") from e


def parse_config(text: str) -> ReceiverConfig:
    try:
        content = json.loads(text)
        tls = content["tls"]
        return ReceiverConfig(
            task_id=str(content["task_id"]),
            run=int(content.get("run", 0)),
            host=str(content["host"]),
            port=int(content["port"]),
            last_port=int(content.get("last_port", 0)),
            folder=Path(content["folder"]),
            disks=tuple(_disk(item) for item in content["disks"]),
            tls=None if tls is None else Certificates(**tls),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise BadConfiguration(f"no configuration of a receiver: {e!r}") from e


def _disk(item: dict[str, Any]) -> ReceivedDisk:
    return ReceivedDisk(
        id=int(item["id"]),
        name=str(item["name"]),
        size=int(item["size"]),
        path=Path(item["path"]),
    )
