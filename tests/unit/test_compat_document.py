import ast
from pathlib import Path

import pytest
from scripts import compat_document

from tests.compat.bodies import CONTRACT
from tests.compat.differences import DEPARTURES, RULES

ROWS = {row[0]: row for row in compat_document.rows()}


def test_every_operation_of_the_contract_has_a_row():
    assert ROWS.keys() == CONTRACT["operations"].keys()


@pytest.mark.parametrize("name", ROWS)
def test_what_is_served_is_shown_by_a_test(name):
    _, _, verdict, _, tests = ROWS[name]
    assert (verdict == "absent") == (tests == "")


@pytest.mark.parametrize(
    "test", sorted({test for rules in (*DEPARTURES.values(), *RULES.values()) for _, test in rules})
)
def test_a_test_that_is_named_is_there(test):
    file, name = test.split("::")
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_differences_are_of_operations_that_there_are():
    assert DEPARTURES.keys() | RULES.keys() <= CONTRACT["operations"].keys()
