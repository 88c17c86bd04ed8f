"""Spell out each pip lock in the conda file of the same environment: python conda_from_lock.py."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = {"main.yaml": "requirements.lock", "allensdk.yaml": "envs/allensdk.lock"}

for name, lock in LOCKS.items():
    path = ROOT / "envs" / name
    pins = [line for line in (ROOT / lock).read_text().splitlines() if "==" in line]
    head = re.match(r".*?  - pip:\n", path.read_text(), re.DOTALL)[0]
    path.write_text(head + "".join(f"      - {pin}\n" for pin in pins))
