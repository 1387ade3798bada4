from http import HTTPStatus

import pytest

from rehost.agent.comparisons import MIB, Comparisons, rows
from rehost.contract.client import Answer
from rehost.errors import ApiError, ServiceUnreachable


def disk(name="/dev/vda", **more):
    return {"name": name, "compared": 100 * MIB, "differed": (), "unreadable": (), **more}


def places(*at):
    return [{"offset": offset, "length": 4096} for offset in at]


class Service:
    def __init__(self):
        self.failure = None
        self.told = []

    def call(self, _method, _path, *, body):
        if self.failure:
            raise self.failure
        self.told.append([row["dir_check"] for row in body["consistency_result"]])
        return Answer(HTTPStatus.OK, {}, {})


@pytest.fixture
def service():
    return Service()


def test_what_could_not_be_read_is_not_the_same():
    differed = [{"offset": 7 * MIB, "length": MIB}]
    lost = places(3 * MIB + 4096, 7 * MIB)
    [row] = rows([disk(differed=differed, unreadable=lost)])
    assert (row["num_total_files"], row["num_different_files"]) == (100, 2)


def test_each_is_told_once_and_in_order(service):
    comparisons = Comparisons(service)
    comparisons.add([disk("first"), disk("second")])
    service.failure = ServiceUnreachable("away")
    with pytest.raises(ServiceUnreachable):
        comparisons.tell("t")
    comparisons.add([disk("third")])
    service.failure = None
    comparisons.tell("t")
    comparisons.tell("t")
    assert service.told == [["first", "second"], ["third"]]


def test_what_the_service_does_not_take_holds_nothing_up(service):
    comparisons = Comparisons(service)
    comparisons.add([disk()])
    service.failure = ApiError("no", code="X.1", status=HTTPStatus.BAD_REQUEST)
    comparisons.tell("t")
    service.failure = None
    comparisons.tell("t")
    assert service.told == []
