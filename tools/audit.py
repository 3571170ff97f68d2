"""Asks pip-audit for known vulnerabilities in requirements.lock, and doesn't take "not checked" for "none found".

    python tools/audit.py --pip-audit .venv/audit/bin/pip-audit      # make audit makes that

Where advisories can't be reached pip-audit skips packages, or all of them, and still exits with 0. Exit status here:
0 all were checked and none is known to be vulnerable, 1 some are, 2 pip-audit didn't run, 3 some were not checked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
CLEAN, VULNERABLE, FAILED, SKIPPED = range(4)


@dataclass(frozen=True)
class Audit:
    """What is known of the packages: those checked, `skipped` with a reason, `vulnerable` with advisories."""

    checked: tuple[str, ...]
    skipped: dict[str, str]
    vulnerable: dict[str, tuple[str, ...]]

    @classmethod
    def from_json(cls, text: str) -> Audit:
        """Reads what `pip-audit --format json` prints.

        Raises:
            ValueError: It is something else.
        """
        try:
            packages = json.loads(text)["dependencies"]
            skipped = {one["name"]: one["skip_reason"] for one in packages if "skip_reason" in one}
            checked = [one for one in packages if "skip_reason" not in one]
            bad = {one["name"]: tuple(vuln["id"] for vuln in one["vulns"]) for one in checked if one["vulns"]}
            return cls(tuple(one["name"] for one in checked), skipped, bad)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"pip-audit says no JSON that is understood: {error!r}") from None

    @property
    def status(self) -> int:
        """The exit status; no package at all is no clean bill."""
        if self.vulnerable:
            return VULNERABLE
        return SKIPPED if self.skipped or not self.checked else CLEAN

    def describe(self) -> str:
        """For people."""
        lines = [f"VULNERABLE {name}: {', '.join(ids)}" for name, ids in self.vulnerable.items()]
        lines += [f"NOT CHECKED {name}: {reason}" for name, reason in self.skipped.items()]
        lines.append(
            f"{len(self.checked)} packages checked, {len(self.vulnerable)} vulnerable, {len(self.skipped)} NOT checked."
        )
        return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pip-audit", default="pip-audit", metavar="COMMAND")
    parser.add_argument("--requirements", type=Path, default=LOCK, metavar="FILE", help="default: requirements.lock")
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi", help="whose advisories (default: pypi)")
    args = parser.parse_args()
    options = ["--format", "json", "--progress-spinner", "off", "--disable-pip", "--no-deps", "-s", args.service]
    try:
        done = subprocess.run(
            [args.pip_audit, *options, "-r", args.requirements], stdout=subprocess.PIPE, text=True, check=False
        )
        audit = Audit.from_json(done.stdout)
    except (OSError, ValueError) as error:
        print(f"Nothing was checked: {error}", file=sys.stderr)
        sys.exit(FAILED)
    print(audit.describe())
    sys.exit(audit.status)


if __name__ == "__main__":
    main()
