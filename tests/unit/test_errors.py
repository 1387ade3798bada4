from collections import Counter

from rehost import (
    convert_errors,
    cutover_errors,
    demo_errors,
    errors,
    identity_errors,
    provider_errors,
    stream_errors,
    task_errors,
)


def error_classes(base: type[errors.Error] = errors.Error) -> list[type[errors.Error]]:
    return [c for child in base.__subclasses__() for c in (child, *error_classes(child))]


def test_errors_of_other_modules_are_among_them():
    modules = (task_errors.TaskRefuses, provider_errors.TargetGone, identity_errors.InUse)
    others = {*modules, stream_errors.TargetFull, cutover_errors.FreezeFailed}
    others |= {convert_errors.ConversionFailed, demo_errors.GuestSilent}
    assert others <= set(error_classes())


def test_codes_are_unique():
    codes = Counter(e.code for e in error_classes())
    assert [code for code, times in codes.items() if times > 1] == []


def test_every_class_says_what_it_means():
    assert [e.__name__ for e in error_classes() if not (e.__doc__ or "").strip()] == []
