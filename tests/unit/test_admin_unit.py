import subprocess
from pathlib import Path

import pytest

from rehost.agent import install
from rehost.control import admin_unit

SHIPPED = Path(admin_unit.__file__).with_name("rehost.service").read_text()
USUAL = "/usr/local/bin/rehost serve --data /var/lib/rehost --host 0.0.0.0"


def test_the_unit_that_is_shipped_is_the_one_for_the_usual_paths():
    assert admin_unit.text(USUAL.split(), None) == SHIPPED


def test_the_unit_runs_the_program_that_prints_it(capsys):
    admin_unit.unit(data=Path("/srv/my data"), host="10.0.0.1", user="rehost")
    lines = capsys.readouterr().out.splitlines()
    [start] = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith('/rehost serve --data "/srv/my data" --host 10.0.0.1')
    assert Path(start.removeprefix("ExecStart=").split()[0]).exists()
    assert "User=rehost" in lines


def test_a_configuration_file_says_the_rest(capsys):
    admin_unit.unit(config=Path("/etc/rehost.toml"))
    out = capsys.readouterr().out
    assert "serve --config /etc/rehost.toml\n" in out


def test_only_the_service_is_told_to_end():
    assert "KillMode=process" in SHIPPED.splitlines()


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", ["rehost", "rehost-agent"])
def test_systemd_finds_nothing_wrong(name, tmp_path):
    if name == "rehost":
        text = admin_unit.text(["/bin/true"], "root")
    else:
        text = install.unit_text(["/bin/true"], state=tmp_path)
    file = tmp_path / f"{name}.service"
    file.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], check=False, capture_output=True, text=True
    )
    own = [line for line in done.stderr.splitlines() if name in line]
    assert (done.returncode, own) == (0, [])
