from collections import Counter

from rehost import errors


def error_classes() -> list[type[errors.Error]]:
    return errors.Error.__subclasses__()


def test_codes_are_unique():
    codes = Counter(e.code for e in error_classes())
    assert [code for code, times in codes.items() if times > 1] == []


def test_every_class_says_what_it_means():
    assert [e.__name__ for e in error_classes() if not (e.__doc__ or "").strip()] == []
