"""The models in memory, and what one browser tab's questions leave behind."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app.gpu import moved, on_gpu, parked
from app.picture import Picture
from cefnet.predictor import Photo, Predictor
from cefnet.result import Result

log = logging.getLogger(__name__)

MOST_EXPRESSIONS = 8  # in one question: as many as there are colours that can be told apart
REMEMBERED_BYTES = 64 * 2**20  # of photo features, a browser tab
REMEMBERED_ANSWERS = 12  # a browser tab


@dataclass(frozen=True)
class Answer:
    """One question about one picture, answered by every model.

    Attributes:
        picture: What was asked about.
        expressions: As typed, 1 to `MOST_EXPRESSIONS`.
        results: Model name -> one result an expression, its maps as large as `picture.pixels`.
        seconds: Model name -> what the question took, the photo's encoding included where it was new.
    """

    picture: Picture
    expressions: tuple[str, ...]
    results: Mapping[str, tuple[Result, ...]]
    seconds: Mapping[str, float]

    def decided(self, mask_threshold: float | None = None, regions: str | None = None) -> Answer:
        """The same answer, its masks decided otherwise; what is None stays each model's own.

        Raises:
            ValueError: A value that cannot be.
        """
        told = {
            model: tuple(one.decided(mask_threshold=mask_threshold, regions=regions) for one in results)
            for model, results in self.results.items()
        }
        return replace(self, results=told)


@dataclass(frozen=True)
class Focus:
    """What the views explain: the expression number `index` of an answer, by one model."""

    answer: Answer
    model: str
    index: int

    @property
    def result(self) -> Result:
        return self.of(self.model)

    def of(self, model: str) -> Result:
        """The result of another model."""
        return self.answer.results[model][self.index]

    def alike(self, result: Result) -> Result:
        """The result of another run, its mask decided as that of `self.result`."""
        own = self.result.decision
        return result.decided(mask_threshold=own.mask_threshold, regions=own.regions)


@dataclass
class Session:
    """One browser tab's own; nobody else gets at it, and it goes with the tab.

    Attributes:
        photos: Features of the photos it asked about, within `REMEMBERED_BYTES`.
        pictures: The last few uploads, by their files.
        answers: The last ones, newest last.
    """

    photos: OrderedDict[tuple[str, str, int], Photo] = field(default_factory=OrderedDict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def photo(self, key: tuple[str, str, int]) -> Photo | None:
        """The features of (picture's digest, model, input side), if they are still here."""
        with self.lock:
            if key in self.photos:
                self.photos.move_to_end(key)
            return self.photos.get(key)

    def remember(self, key: tuple[str, str, int], photo: Photo) -> None:
        """Keeps features; the oldest go where all take more than `REMEMBERED_BYTES`."""
        with self.lock:
            self.photos[key] = photo
            while len(self.photos) > 1 and sum(one.features.nbytes for one in self.photos.values()) > REMEMBERED_BYTES:
                self.photos.popitem(last=False)

    def add(self, answer: Answer) -> None:
        """Keeps an answer as the newest, unless it is that already."""
        with self.lock:
            if not self.answers or self.answers[-1] is not answer:
                self.answers = [*self.answers, answer][-REMEMBERED_ANSWERS:]


class Service:
    """Segments pictures with every model that could be loaded. Keeps nothing of any question itself.

    Args:
        predictors: Name -> model.
        missing: Names of models that could not be loaded.
    """

    def __init__(self, predictors: Mapping[str, Predictor], missing: tuple[str, ...] = ()) -> None:
        self.predictors = dict(predictors)
        self.missing = missing
        self._run = on_gpu(self._on_device)

    @classmethod
    def load(cls, models: Mapping[str, str], device: str = "auto") -> Service:
        """Load `models` (name -> MODEL); one that cannot be loaded is left out and named in `missing`.

        Raises:
            RuntimeError: If none can be loaded.
        """
        predictors, missing = {}, []
        for name, source in models.items():
            try:
                predictors[name] = Predictor.from_pretrained(source, device, precision="auto")
            except (OSError, ValueError) as error:
                log.warning("%s is left out: %s", name, error)
                missing.append(name)
        if not predictors:
            raise RuntimeError(f"No model could be loaded (tried {', '.join(models)}); see the lines above.")
        return cls(predictors, tuple(missing))

    def segment(
        self,
        session: Session,
        picture: Picture,
        model: str,
        expressions: Sequence[str],
        size: int | None = None,
        explain: bool = True,
    ) -> tuple[list[Result], float]:
        """Asks one model for several expressions, in one batch.

        Args:
            session: Whose features of the picture are used, or kept if they are new.
            picture: What to look at.
            model: A name of `predictors`.
            expressions: At least one.
            size: Side in pixels of the square that the network sees; None: the model's own.
            explain: Keep what word attention and co-attention need.

        Returns:
            The results, with maps as large as `picture.pixels`, and the seconds it took.

        Raises:
            ValueError: If an expression cannot be used; the text is meant for the person.
        """
        start = time.perf_counter()
        return self._answer(session, picture, model, expressions, size, explain), time.perf_counter() - start

    def encode(self, session: Session, picture: Picture, model: str, size: int | None = None) -> None:
        """Makes the features of a picture, if the session has not got them; arguments as `segment`."""
        self._answer(session, picture, model, [], size, explain=False)

    def _answer(
        self,
        session: Session,
        picture: Picture,
        model: str,
        expressions: Sequence[str],
        size: int | None,
        explain: bool,
    ) -> list[Result]:
        key = picture.digest, model, size or self.predictors[model].config.image_size
        known = session.photo(key)
        if known is not None and not expressions:
            return []
        shown = picture.pixels.shape[:2]
        photo, results = self._run(model, known or picture.full(), shown, size, list(expressions), explain)
        session.remember(key, photo)
        return results

    def _on_device(
        self,
        model: str,
        source: Photo | NDArray[np.uint8],
        shown: tuple[int, int],
        size: int | None,
        expressions: list[str],
        explain: bool,
    ) -> tuple[Photo, list[Result]]:
        """What needs the network: features, where `source` has none yet, and answers, with maps as large as `shown`."""
        predictor = self.predictors[model]
        photo = predictor.encode(source, size) if isinstance(source, np.ndarray) else moved(source, predictor.device)
        photo = replace(photo, height=shown[0], width=shown[1])
        return parked(photo), predictor.segment_many(photo, expressions, explain) if expressions else []

    def ask(self, session: Session, picture: Picture, expressions: Sequence[str]) -> Answer:
        """Asks every model for up to `MOST_EXPRESSIONS` expressions.

        Raises:
            ValueError: If an expression cannot be used; the text is meant for the person.
        """
        if len(expressions) > MOST_EXPRESSIONS:
            raise ValueError(f"{len(expressions)} expressions at once; ask for at most {MOST_EXPRESSIONS}.")
        told = {name: self.segment(session, picture, name, expressions) for name in self.predictors}
        results = {name: tuple(found) for name, (found, _) in told.items()}
        return Answer(picture, tuple(expressions), results, {name: seconds for name, (_, seconds) in told.items()})
