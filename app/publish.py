"""What a Space needs of this repository, and nothing else of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from cefnet.hub import Upload

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("app.py", "app", "cefnet", "weights", "requirements.txt", "README.md", "LICENSE")
HEADER = ("sdk: gradio", "app_file: app.py")  # lines without which README.md makes no Space


def space_upload(space_id: str, folder: Path, root: Path = ROOT) -> Upload:
    """Copies the committed files that a Space needs to an empty folder, and plans their upload.

    Args:
        space_id: "owner/name".
        folder: Where they go; made, or empty.
        root: A git checkout of this repository.

    Raises:
        ValueError: If it is no git checkout, something is not committed, missing, or no Space's; or `folder` is not
            empty.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; name another folder.")
    changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", *PARTS).splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:5])
        raise ValueError(f"{len(changed)} files differ from the last commit ({names}); commit them first.")
    files = git(root, "ls-files", "-z", "--", *PARTS).split("\0")[:-1]
    missing = [part for part in PARTS if not any(name == part or name.startswith(f"{part}/") for name in files)]
    if missing:
        raise ValueError(f"{root} has no {', '.join(missing)}; publish from a whole checkout.")
    check_header(root / "README.md")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    sizes = {name: (folder / name).stat().st_size for name in files}
    commit = git(root, "rev-parse", "--short", "HEAD").strip()
    return Upload(space_id, "space", folder, sizes, f"CEFNet {commit}")


def check_header(readme: Path) -> None:
    """Refuses a README.md that is no Space's."""
    parts = readme.read_text(encoding="utf-8").split("---\n")
    header = parts[1].splitlines() if len(parts) > 2 and parts[0] == "" else []
    lacking = [line for line in HEADER if line not in header]
    if lacking:
        raise ValueError(f"The header of {readme} lacks: {'; '.join(lacking)}.")


def git(root: Path, *arguments: str) -> str:
    """What git says.

    Raises:
        ValueError: If `root` is no checkout, or there is no git.
    """
    try:
        run = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise ValueError(f"git can't say what is committed in {root}: {reason}".strip()) from None
    return run.stdout
