"""What goes up to the Hugging Face Hub: a weights folder with its card, or any folder that is ready for it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cefnet.weights import CARD, FILES, load, locate

if TYPE_CHECKING:  # the package takes a while to import
    from huggingface_hub import HfApi

LARGE = 10_000_000  # bytes; the Hub takes larger files by LFS or Xet alone, which its client sees to by itself
NUMBERS = "numbers.json"  # the card refers to it


@dataclass(frozen=True)
class Upload:
    """What is to go up, and where to.

    Attributes:
        repo_id: "owner/name".
        kind: "model" or "space".
        folder: Where the files are.
        files: Size in bytes by path within `folder`; nothing else goes up.
        message: Of the commit on the Hub.
    """

    repo_id: str
    kind: str
    folder: Path
    files: dict[str, int]
    message: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", self.repo_id):
            raise ValueError(f"{self.repo_id!r} is no Hub id; write owner/name.")

    def describe(self) -> str:
        """A line for each file, with its size, and a sum."""
        width = max(map(len, self.files))
        lines = [f"{self.kind} {self.repo_id}, from {self.folder}"]
        for name, size in sorted(self.files.items()):
            note = "  by LFS or Xet" if size > LARGE else ""
            lines.append(f"  {name:{width}}  {readable(size):>8}{note}")
        lines.append(f"{len(self.files)} files, {readable(sum(self.files.values()))}")
        return "\n".join(lines)


def weights_upload(model: str | Path, repo_id: str) -> Upload:
    """Plans the upload of a checkpoint with its card.

    Args:
        model: A shipped name, a weights folder or a run folder.
        repo_id: "owner/name".

    Raises:
        ValueError: If it is no weights folder on this computer that loads, or has no card.
    """
    if "/" in str(model) and not Path(model).is_dir():  # a Hub id would be fetched first
        raise ValueError(f"{model} is not a folder on this computer; push takes a shipped name or a folder.")
    load(model, "cpu")  # refuses what is damaged, or not the file that was shipped
    folder, _, _ = locate(model)
    if not (folder / CARD).is_file():
        raise ValueError(f"{folder} has no {CARD}; a model goes up with its card.")
    names = [*FILES, CARD, *([NUMBERS] if (folder / NUMBERS).is_file() else [])]
    sizes = {name: (folder / name).stat().st_size for name in names}
    return Upload(repo_id, "model", folder, sizes, f"Upload {folder.name}")


def send(upload: Upload, client: "HfApi", private: bool = False, replace: bool = False) -> str:
    """Uploads; makes the repository if there is none.

    Args:
        upload: What to send.
        client: Logged in; only `create_repo` and `upload_folder` are used.
        private: Whether a new repository is private; one that exists stays as it is.
        replace: Remove files there that are not part of the upload.

    Returns:
        The address of the repository.

    Raises:
        ValueError: If the Hub refuses or can't be reached; the text says why.
    """
    from huggingface_hub.errors import HTTPError  # of the network, and (with what the Hub says) of the Hub

    sdk = "gradio" if upload.kind == "space" else None
    try:
        url = client.create_repo(upload.repo_id, repo_type=upload.kind, space_sdk=sdk, private=private, exist_ok=True)
        client.upload_folder(
            repo_id=upload.repo_id,
            repo_type=upload.kind,
            folder_path=upload.folder,
            allow_patterns=sorted(upload.files),
            delete_patterns=["*"] if replace else None,
            commit_message=upload.message,
        )
    except (HTTPError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"The Hub doesn't take {upload.repo_id}: {reason} (a token that may write: `hf auth login`)"
        ) from error
    return str(url)


def readable(size: int) -> str:
    """`size` in bytes as a person reads it, such as "17.8 MB"."""
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
