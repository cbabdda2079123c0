"""Files for other programs: systemd units, the compose file, scripts of batch systems."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = ROOT / "deployments"
ENV = (DEPLOYMENTS / "systemd" / "server.env.example").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in (DEPLOYMENTS / "systemd").glob("*.service"):
        # Verified as if this clone were where docs/operate.md puts it.
        text = unit.read_text().replace("/opt/overlayflow", str(ROOT))
        (tmp_path / unit.name.replace("@", "@builders")).write_text(text)
    units = sorted(tmp_path.iterdir())
    assert len(units) == 2
    verified = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("name", ["slurm/worker.sbatch", "htcondor/worker.sh"])
def test_bash_takes_the_scripts(name: str) -> None:
    script = DEPLOYMENTS / name
    read = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_the_containers_are_set_up_as_the_service_is() -> None:
    compose = yaml.safe_load((DEPLOYMENTS / "compose" / "compose.yaml").read_text())
    contained = compose["services"]["server"]["environment"]
    lines = (line for line in ENV.splitlines() if line and line[0] != "#")
    service = dict(line.split("=", 1) for line in lines)
    # What differs by nature: places, secrets, and who is let in.
    own = {
        "PREFECT_HOME",
        "PREFECT_REDIS_MESSAGING_HOST",
        "PREFECT_REDIS_MESSAGING_PORT",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_ENCRYPTION_KEY",
        "PREFECT_SERVER_UI_API_URL",
    }
    assert {name: value for name, value in contained.items() if name not in own} == {
        name: value for name, value in service.items() if name not in own
    }
