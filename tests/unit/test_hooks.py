from pathlib import Path

import pytest

from rehost.cutover_errors import HooksUnusable
from rehost.stages.cutover import Hook, load_hooks

GOOD = """
[[hook]]
name = "database"
pre = ["/usr/local/sbin/db", "stop writing"]
post = ["/usr/local/sbin/db", "go on"]
limit_s = 20

[[hook]]
name = "mail"
post = ["/bin/true"]
"""


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "hooks.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_hooks_are_read_in_order(tmp_path: Path):
    database = ("/usr/local/sbin/db", "stop writing"), ("/usr/local/sbin/db", "go on")
    assert load_hooks(write(tmp_path, GOOD)) == (
        Hook(name="database", pre=database[0], post=database[1], limit_s=20),
        Hook(name="mail", post=("/bin/true",)),
    )


def test_without_a_file_there_are_no_hooks(tmp_path: Path):
    assert load_hooks(tmp_path / "hooks.toml") == ()


@pytest.mark.parametrize(
    "text",
    [
        "[[hook]]",
        "[[hook]]\nname = 7",
        '[[hook]]\nname = "a"\npre = "/bin/true"',
        '[[hook]]\nname = "a"\npre = ["true"]',
        '[[hook]]\nname = "a"\npre = ["/bin/true", 1]',
        '[[hook]]\nname = "a"\nlimit_s = 0',
        '[[hook]]\nname = "a"\nlimit_s = "long"',
        '[[hook]]\nname = "a"\nlimit_s = 1e9',
        '[[hook]]\nname = "a"\nshell = true',
        "hook = 7",
        "hook = [7]",
        "[[hook",
        "\udcff",
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str):
    file = write(tmp_path, "")
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(HooksUnusable, match=r"hooks\.toml"):
        load_hooks(file)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path):
    with pytest.raises(HooksUnusable, match="others"):
        load_hooks(write(tmp_path, GOOD, 0o620))
