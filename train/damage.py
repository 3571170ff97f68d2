"""Photos and masks that can't be used: named once each, counted, too many end the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from cefnet.files import write_whole

LIST = "damaged.txt"
LIMIT = 0.01  # of the photos


class Damage:
    """What a run could not use so far.

    Args:
        folder: Of the run; `damaged.txt` in it lists what was found, also before the run was resumed. None: nothing is
            written.
        photos: Number of photos of the split that is trained on.
    """

    def __init__(self, folder: Path | None, photos: int) -> None:
        self.folder, self.photos, self.found = folder, photos, set[str]()
        if folder is not None and (folder / LIST).is_file():
            self.found.update((folder / LIST).read_text(encoding="utf-8").splitlines())

    def add(self, messages: Iterable[str]) -> None:
        """Adds what a step could not use.

        Raises:
            ValueError: it is more than 1% of the photos by now.
        """
        new = sorted(set(messages) - self.found)
        if not new:
            return
        self.found.update(new)
        if self.folder is not None:
            write_whole(self.folder / LIST, "".join(f"{line}\n" for line in sorted(self.found)))
            for message in new:
                tqdm.write(f"skipped: {message}")
        if len(self.found) > LIMIT * self.photos:
            raise ValueError(
                f"{len(self.found)} photos or masks can't be used, more than {LIMIT:.0%} of {self.photos} photos: "
                f"mend or remove them ({LIST} in the run's folder names all found so far), then --resume; "
                f"the last: {new[-1]}"
            )
