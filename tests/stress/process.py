"""What Linux tells of a process."""

from pathlib import Path


def kilobytes(what: str, process: int | str = "self") -> int:
    """A line of a process's status, such as VmRSS (resident now) or VmHWM (at most)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))
