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
        folder: of the run; `damaged.txt` in it lists what was found. None: nothing is written.
        photos: number of photos of the split that is trained on.
        found: what the run found before it was resumed.
    """

    def __init__(self, folder: Path | None, photos: int, found: Iterable[str] = ()) -> None:
        self.folder, self.photos, self.found = folder, photos, set(found)

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
