"""What the ledger's witness makes of what it hears; and how the target's ledger is counted."""

import subprocess

from rehost.cli.demo_move import COUNT
from rehost.cli.demo_source import Record, Witness


def witness(*lines: str) -> Witness:
    witness = Witness()
    for line in lines:
        witness.hear(line)
    return witness


def test_the_last_record_before_the_last_cut_counts():
    heard = witness("1 abc", "2 abc", "cut", "3 abc", "4 abc", "cut", "5 abc")
    assert heard.before_cut == Record(number=4, boot="abc")
    assert heard.last == Record(number=5, boot="abc")


def test_without_a_cut_there_is_no_record_before_it():
    assert witness("1 abc").before_cut is None
    assert witness("cut", "1 abc").before_cut is None


def test_half_a_line_is_no_record():
    assert witness("1 abc", "", "12", "x y", "cut").before_cut == Record(number=1, boot="abc")


def count(tmp_path, *lines: str) -> list[int]:
    ledger = tmp_path / "records"
    ledger.write_text("".join(f"{line}\n" for line in lines))
    command = f"{COUNT.format(boot='abc')} {ledger}"
    said = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True)
    return [int(word) for word in said.stdout.split()]


def test_records_of_source_and_target_are_told_apart(tmp_path):
    assert count(tmp_path, "1 abc", "2 abc", "3 def", "4 def") == [2, 0, 2]


def test_a_record_that_is_lost_or_out_of_order_is_seen(tmp_path):
    assert count(tmp_path, "1 abc", "3 abc") == [2, 1, 0]
    assert count(tmp_path, "2 abc", "1 abc") == [2, 2, 0]
    assert count(tmp_path) == [0, 0, 0]
