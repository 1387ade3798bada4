r"""A machine's answers as text: the format of tests/machines/*/host.txt.

A question is a method of Host and its arguments, quoted as in a shell; the lines of its answer
follow, and an empty line:

    read /etc/hostname
        db1

    read /dev/sda 0 4096
    x 1f0 80010100
    x 1000

    run lvs --noheadings
    ! CommandMissing lvs is not installed

A tab begins a line of text; a line `\` says that the text does not end in a newline. `x` begins
bytes that are no text, at a hexadecimal offset; what is not shown is zero; the last one is the
length. `!` is an error: its class and its message. A question that is there twice has two answers,
given in this order, the last one from then on.
"""

import re
from collections.abc import Iterable, Iterator

from rehost import errors
from rehost.errors import BadFormat, Error, HostError

ROW = 32  # bytes in a line of bytes
SECRET = re.compile(r"(?i)((?:pass|passwd|password|secret|token|key)=)[^\s,]+")
PRINTABLE = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
LUKS = b"LUKS\xba\xbe"
LUKS_UUID = slice(168, 208)


def dump(answers: dict[str, list[str]]) -> str:
    """The text of questions and their written answers, sorted so that a change is a small one."""
    return "\n".join(f"{q}\n{a}" for q, all_of_it in sorted(answers.items()) for a in all_of_it)


def load(text: str) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = {}
    for question, answer in _paragraphs(text):
        answers.setdefault(question, []).append(answer)
    return answers


def write_text(text: str) -> str:
    *lines, rest = text.split("\n")
    return write_lines([*lines, rest]) + "\\\n" if rest else write_lines(lines)


def write_lines(lines: Iterable[str]) -> str:
    return "".join(f"\t{line}\n" for line in (SECRET.sub(r"\1REDACTED", x) for x in lines))


def write_bytes(data: bytes) -> str:
    if PRINTABLE.fullmatch(data) and _decodes(data):
        return write_text(data.decode())
    data = _without_keys(data)
    rows = ((at, data[at : at + ROW]) for at in range(0, len(data), ROW))
    shown = [f"x {at:x} {row.hex()}\n" for at, row in rows if any(row)]
    return "".join([*shown, f"x {len(data):x}\n"])


def write_error(error: HostError) -> str:
    return f"! {type(error).__name__} {' '.join(str(error).split())}\n"


def read_text(answer: str) -> str:
    lines = read_lines(answer)
    text = "".join(f"{line}\n" for line in lines)
    return text.removesuffix("\n") if answer.endswith("\n\\\n") else text


def read_lines(answer: str) -> tuple[str, ...]:
    """The lines of a text. Raises the error, if the answer is one."""
    _raise_error(answer)
    return tuple(line[1:] for line in answer.split("\n") if line.startswith("\t"))


def read_bytes(answer: str) -> bytes:
    if not answer.startswith("x"):
        return read_text(answer).encode()
    *rows, length = (line.split()[1:] for line in answer.splitlines())
    data = bytearray(int(length[0], 16))
    for at, row in rows:
        start = int(at, 16)
        data[start : start + len(row) // 2] = bytes.fromhex(row)
    return bytes(data)


def _paragraphs(text: str) -> Iterator[tuple[str, str]]:
    question, answer = "", ""
    for line in text.split("\n"):
        if line[:1] in ("\t", "x", "!", "\\") and question:
            answer += f"{line}\n"
        elif line:
            question = line
        elif question:
            yield question, answer
            question, answer = "", ""
    if question:
        yield question, answer


def _decodes(data: bytes) -> bool:
    try:
        return bool(data.decode()) or not data
    except UnicodeDecodeError:
        return False


def _without_keys(data: bytes) -> bytes:
    """A LUKS header holds digests and salts of keys: only its magic and UUID are kept."""
    if not data.startswith(LUKS):
        return data
    kept = bytearray(len(data))
    kept[:8] = data[:8]
    kept[LUKS_UUID] = data[LUKS_UUID]
    return bytes(kept)


def _raise_error(answer: str) -> None:
    if not answer.startswith("! "):
        return
    _, name, message = answer.rstrip("\n").split(" ", 2)
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, HostError)):
        raise BadFormat(f"{name} is no error of a host")
    error = kind.__new__(kind)
    Error.__init__(error, message)
    raise error
