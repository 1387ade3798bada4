import json
from typing import Any

import msgspec

from rehost.stages.recommend import recommend
from tests.unit.check.reports import EXAMPLE, WINDOWS


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def test_the_documented_example_gives_its_target():
    shown = json.loads(msgspec.json.encode(recommend(WINDOWS)))
    assert without_nulls(shown) == without_nulls(EXAMPLE["init_target_server"])
