"""What is installed: pinned, with hashes for containers, above the versions with known holes, and honestly audited."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.audit import Audit

ROOT = Path(__file__).parents[1]
# Releases that fixed the latest advisory known when this was written.
AT_LEAST = {"gradio": (6, 16, 0), "pillow": (12, 3, 0), "sentencepiece": (0, 2, 1)}
SOUND = '{"name": "a", "version": "1", "vulns": []}'
SKIPPED = '{"name": "torch", "skip_reason": "Dependency not found on PyPI"}'
BAD = '{"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}, {"id": "CVE-2"}]}'


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return {found[1].lower(): found[2] for found in re.finditer(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;\\]+)", text, re.M)}


def test_the_lock_has_a_hash_for_every_package_and_the_same_versions() -> None:
    text, locked = (ROOT / "requirements.lock").read_text(), pins("requirements.lock")
    wanted = pins("requirements.txt")
    assert wanted and {name: locked.get(name) for name in wanted} == wanted
    packages = re.split(r"\n(?=[\w.-]+==)", "\n".join(line for line in text.split("\n") if not line.startswith("#")))
    packages = [package for package in packages if package.strip()]
    assert len(packages) == len(locked) > 50
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", package) for package in packages)
    assert not re.search(r"://|--(index|extra|find|trusted)|^-", text, re.M)


@pytest.mark.parametrize("name", AT_LEAST)
def test_versions_with_known_holes_are_not_used(name: str) -> None:
    assert tuple(map(int, pins("requirements.txt")[name].split("."))) >= AT_LEAST[name]


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([SOUND], 0, "1 packages checked, 0 vulnerable, 0 NOT checked"),
        ([SOUND, BAD], 1, "VULNERABLE c: CVE-1, CVE-2"), ([SKIPPED, BAD], 1, "NOT CHECKED torch"),
        ([SOUND, SKIPPED], 3, "NOT CHECKED torch: Dependency not found on PyPI"), ([SKIPPED], 3, "0 packages checked"),
        ([], 3, "0 packages checked"),
    ],
)  # fmt: skip
def test_what_was_skipped_is_not_clean(packages: list[str], status: int, said: str) -> None:
    audit = Audit.from_json(f'{{"dependencies": [{", ".join(packages)}], "fixes": []}}')
    assert audit.status == status and said in audit.describe()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dependencies": [{"name": "a"}]}', "ERROR: no network"])
def test_what_is_no_audit_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON that is understood"):
        Audit.from_json(text)


@pytest.mark.parametrize("command", ["/nothing/pip-audit", "true"])
def test_an_audit_that_did_not_run_fails(command: str) -> None:
    call = [sys.executable, "tools/audit.py", "--pip-audit", command]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Nothing was checked" in done.stderr
