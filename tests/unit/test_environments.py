"""The environments that conda builds are those that pip builds."""

import pytest
import yaml


@pytest.mark.parametrize(
    ("environment", "lock"),
    [("main.yaml", "requirements.lock"), ("allensdk.yaml", "envs/allensdk.lock")],
)
def test_conda_file_holds_the_lock(root, environment, lock):
    lines = (root / lock).read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    content = yaml.safe_load((root / "envs" / environment).read_text())
    assert content["dependencies"] == ["python=3.11", "pip", {"pip": pins}]


@pytest.mark.parametrize("lock", ["requirements.lock", "envs/allensdk.lock"])
def test_lock_names_exact_versions_and_no_machine(root, lock):
    lines = [line for line in (root / lock).read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines)
    assert not any(part in line for line in lines for part in ("+cpu", "://", "--", "@", "file:"))
