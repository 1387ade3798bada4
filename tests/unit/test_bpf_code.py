import pytest

from rehost.system.bpf_code import ADD, BYTE, DOUBLE, EQUAL, FRAME, MOVE, WORD, Code


def test_instructions_are_what_the_kernel_documents():
    code = Code()
    code.load(DOUBLE, 6, 1, 16)
    code.store(WORD, FRAME, -4, 2)
    code.store_value(BYTE, 0, 0, 1)
    code.compute(ADD, 2, -4)
    code.compute_from(MOVE, 2, FRAME)
    code.map(1, 7)
    code.call(1)
    code.add_atomically(0, 8, 1)
    code.exit()
    assert code.assemble().hex(" ", 8) == (
        "7916100000000000 632afcff00000000 7200000001000000 07020000fcffffff bfa2000000000000 "
        "1811000007000000 0000000000000000 8500000001000000 db10080000000000 9500000000000000"
    )


def test_a_jump_counts_from_the_next_instruction():
    code = Code()
    code.label("start")
    code.jump(EQUAL, 1, 5, "end")
    code.goto("start")
    code.label("end")
    code.exit()
    assert code.assemble().hex(" ", 8) == "1501010005000000 0500feff00000000 9500000000000000"


def test_a_label_is_there_once():
    code = Code()
    code.label("end")
    with pytest.raises(ValueError, match="twice"):
        code.label("end")


def test_a_jump_to_nowhere_is_refused():
    code = Code()
    code.goto("end")
    with pytest.raises(KeyError):
        code.assemble()
