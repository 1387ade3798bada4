from dataclasses import dataclass
from enum import StrEnum

import pytest

from rehost.contract.codec import encode


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Wheel:
    size: float | None
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True)
class Car:
    wheels: tuple[Wheel, ...]
    sold: bool = False


def test_a_value_is_an_object_of_its_fields():
    wheels = [{"size": 1.5, "colour": "red"}, {"size": None, "colour": "red"}]
    assert encode(Car((Wheel(1.5), Wheel(None)))) == {"wheels": wheels, "sold": False}


def test_bytes_are_no_value_of_the_model():
    with pytest.raises(TypeError, match="bytes"):
        encode((b"",))
