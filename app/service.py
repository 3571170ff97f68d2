"""The models in memory, and what one browser tab's questions leave behind."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app import strings
from app.gpu import moved, on_gpu, parked
from app.picture import Picture
from cefnet import render
from cefnet.alternatives import alternatives, region_at, region_beside
from cefnet.arguments import shortened
from cefnet.predictor import Photo, Predictor
from cefnet.result import Click, Result
from cefnet.words import foreign, kept

log = logging.getLogger(__name__)

MOST_EXPRESSIONS = 8  # on the list: as many as there are colours that can be told apart
REMEMBERED_BYTES = 64 * 2**20  # of photo features, a browser tab
REMEMBERED_ANSWERS = 12  # a browser tab


@dataclass(frozen=True)
class Item:
    """One thing that was asked about a picture.

    Attributes:
        key: Tells it from all others of this server.
        expression: As typed; empty where clicks alone say what is meant.
        results: Model name -> what is shown, its maps as large as `picture.pixels`.
        seconds: Model name -> what it took, the photo's encoding included where it was new.
        colour: Its number in `cefnet.render.PALETTE`.
        clicks: What was pointed at, in pixels of `picture.pixels`.
        asked: Model name -> the model's own answer, where `results` are corrected ones; else empty.
        choice: How many regions were turned down (`cefnet.alternatives`).
    """

    key: int
    expression: str
    results: Mapping[str, Result]
    seconds: Mapping[str, float]
    colour: int = 0
    clicks: tuple[Click, ...] = ()
    asked: Mapping[str, Result] = field(default_factory=dict)
    choice: int = 0

    @property
    def own(self) -> Mapping[str, Result]:
        """The models' own answers."""
        return self.asked or self.results

    @property
    def mended(self) -> bool:
        """Whether somebody corrected it."""
        return bool(self.clicks or self.choice)

    @property
    def found(self) -> bool:
        """Whether any model finds it."""
        return any(result.present for result in self.results.values())


@dataclass(frozen=True)
class Answer:
    """What was asked about one picture, answered by every model.

    Attributes:
        picture: What was asked about.
        items: In the order of asking, at most `MOST_EXPRESSIONS`.
    """

    picture: Picture
    items: tuple[Item, ...] = ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """As typed."""
        return tuple(item.expression for item in self.items)

    @property
    def results(self) -> dict[str, tuple[Result, ...]]:
        """Model name -> one result an item."""
        models = self.items[0].results if self.items else {}
        return {model: tuple(item.results[model] for item in self.items) for model in models}

    @property
    def colours(self) -> list[render.Colour]:
        """One an item."""
        return [render.PALETTE[item.colour] for item in self.items]

    def number(self, key: int) -> int:
        """Where the item of this key is, counted from 0.

        Raises:
            ValueError: It is not there any more.
        """
        numbers = [n for n, item in enumerate(self.items) if item.key == key]
        if not numbers:
            raise ValueError("This is no longer on the list.")
        return numbers[0]

    def with_items(self, items: Iterable[Item]) -> Answer:
        """A copy with more items at its end, each in a colour of its own.

        Raises:
            ValueError: There are more than colours that can be told apart.
        """
        known, more = list(self.items), list(items)
        self.room(len(more))
        for item in more:
            used = {one.colour for one in known}
            known.append(replace(item, colour=min(set(range(MOST_EXPRESSIONS)) - used)))
        return replace(self, items=tuple(known))

    def room(self, more: int) -> None:
        """Refuses more items than there are colours that can be told apart.

        Raises:
            ValueError: As said.
        """
        if len(self.items) + more > MOST_EXPRESSIONS:
            raise ValueError(
                f"The list holds {MOST_EXPRESSIONS} things, as many as there are colours that can be told apart. "
                "Remove some of them first."
            )

    def with_item(self, item: Item) -> Answer:
        """A copy in which an item takes the place of that of the same key."""
        return replace(self, items=tuple(item if one.key == item.key else one for one in self.items))

    def without(self, key: int) -> Answer:
        """A copy that lacks one item."""
        return replace(self, items=tuple(one for one in self.items if one.key != key))

    def decided(self, mask_threshold: float | None = None, regions: str | None = None) -> Answer:
        """The same answer, its masks decided otherwise; what is None stays each model's own.

        `regions` may be "auto" if one of the models can tell; the others then take the strongest region.

        Raises:
            ValueError: A value that cannot be.
        """

        def otherwise(results: Mapping[str, Result]) -> dict[str, Result]:
            untold = {model: regions == "auto" and one.several is None for model, one in results.items()}
            return {
                model: one.decided(mask_threshold=mask_threshold, regions="one" if untold[model] else regions)
                for model, one in results.items()
            }

        items = (replace(one, results=otherwise(one.results), asked=otherwise(one.asked)) for one in self.items)
        return replace(self, items=tuple(items))


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
        return self.item.results[model]

    @property
    def item(self) -> Item:
        return self.answer.items[self.index]

    def alike(self, result: Result) -> Result:
        """The result of another run, its mask decided as that of `self.result`."""
        own = self.result.decision
        return result.decided(mask_threshold=own.mask_threshold, regions=own.regions)


@dataclass
class Session:
    """One browser tab's own; nobody else gets at it, and it goes with the tab.

    Attributes:
        photos: Features of the photos it asked about, within `REMEMBERED_BYTES`.
        answers: The last ones, one a picture, newest last.
    """

    photos: OrderedDict[tuple[str, str, int], Photo] = field(default_factory=OrderedDict)
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
        """Keeps an answer as the newest, in place of that about the same picture."""
        with self.lock:
            others = [one for one in self.answers if one.picture.digest != answer.picture.digest]
            self.answers = [*others, answer][-REMEMBERED_ANSWERS:] if answer.items else others


class Service:
    """Segments pictures with every model that could be loaded. Keeps nothing of any question itself.

    Args:
        predictors: Name -> model.
        missing: Names of models that could not be loaded.
    """

    def __init__(self, predictors: Mapping[str, Predictor], missing: tuple[str, ...] = ()) -> None:
        self.predictors = dict(predictors)
        self.missing = missing
        self._keys = itertools.count(1)  # of items
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
        clicks: Sequence[Sequence[Click]] | None = None,
    ) -> tuple[list[Result], float]:
        """Asks one model for several expressions, in one batch.

        Args:
            session: Whose features of the picture are used, or kept if they are new.
            picture: What to look at.
            model: A name of `predictors`.
            expressions: At least one.
            size: Side in pixels of the square that the network sees; None: the model's own.
            explain: Keep what word attention and co-attention need.
            clicks: For each expression where somebody pointed, in pixels of `picture.pixels`; None: nowhere.

        Returns:
            The results, with maps as large as `picture.pixels`, and the seconds it took.

        Raises:
            ValueError: If an expression cannot be used; the text is meant for the person.
        """
        start = time.perf_counter()
        for text, pointed in zip(expressions, clicks or [()] * len(expressions), strict=True):
            check_english(text, pointed)
        found = self._answer(session, picture, model, expressions, size, explain, clicks)
        return found, time.perf_counter() - start

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
        clicks: Sequence[Sequence[Click]] | None = None,
    ) -> list[Result]:
        key = picture.digest, model, size or self.predictors[model].config.image_size
        known = session.photo(key)
        if known is not None and not expressions:
            return []
        shown = picture.pixels.shape[:2]
        photo, results = self._run(model, known or picture.full(), shown, size, list(expressions), explain, clicks)
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
        clicks: Sequence[Sequence[Click]] | None,
    ) -> tuple[Photo, list[Result]]:
        """What needs the network: features, where `source` has none yet, and answers, with maps as large as `shown`."""
        predictor = self.predictors[model]
        photo = predictor.encode(source, size) if isinstance(source, np.ndarray) else moved(source, predictor.device)
        photo = replace(photo, height=shown[0], width=shown[1])
        return parked(photo), predictor.segment_many(photo, expressions, explain, clicks) if expressions else []

    def ask(self, session: Session, picture: Picture, expressions: Sequence[str]) -> Answer:
        """Asks every model for up to `MOST_EXPRESSIONS` expressions.

        Raises:
            ValueError: If an expression cannot be used; the text is meant for the person.
        """
        if len(expressions) > MOST_EXPRESSIONS:
            raise ValueError(f"{len(expressions)} expressions at once; ask for at most {MOST_EXPRESSIONS}.")
        told = {name: self.segment(session, picture, name, expressions) for name in self.predictors}
        seconds = {name: took for name, (_, took) in told.items()}
        return Answer(picture).with_items(
            Item(next(self._keys), text, {name: found[n] for name, (found, _) in told.items()}, seconds)
            for n, text in enumerate(expressions)
        )

    def blank(self) -> Item:
        """An item about which nothing was said yet, for a click to say it."""
        return Item(next(self._keys), "", {}, {})

    def clickable(self) -> bool:
        """Whether every model reads clicks."""
        return all(predictor.config.clicks for predictor in self.predictors.values())

    def point(self, session: Session, picture: Picture, item: Item, clicks: Sequence[Click]) -> Item:
        """The item with other clicks: those who read clicks are asked again, of others another region is taken.

        Raises:
            ValueError: A click is outside the photo, or nothing says what is meant.
        """
        if not clicks:
            return replace(item, results=item.own, asked={}, clicks=(), choice=0)
        results, seconds = {}, {}
        for name, predictor in self.predictors.items():
            if predictor.config.clicks:
                (found,), took = self.segment(session, picture, name, [item.expression], clicks=[clicks])
                results[name], seconds[name] = found, took
            else:
                results[name], seconds[name] = corrected(item.own[name], clicks), 0.0
        return replace(item, results=results, seconds=seconds, clicks=tuple(clicks), asked=item.own, choice=0)


def corrected(result: Result, clicks: Sequence[Click]) -> Result:
    """The region that clicks leave of an answer, for a model that reads none: each click corrects the one before."""
    for click in clicks:
        if click.here:
            result = region_at(result, click.y, click.x)
        elif result.mask[int(click.y), int(click.x)]:
            result = region_beside(result, click.y, click.x)
    return result


def next_best(item: Item) -> Item:
    """The item with the next region of every model's own answer; after the last one, its own answer again."""
    others = {model: alternatives(result) for model, result in item.own.items()}
    most = max(len(found) for found in others.values())
    choice = (item.choice + 1) % most
    if choice == 0:
        return replace(item, results=item.own, asked={}, choice=0, clicks=())
    results = {model: found[min(choice, len(found) - 1)] for model, found in others.items()}
    return replace(item, results=results, asked=item.own, choice=choice, clicks=())


def check_english(expression: str, clicks: Sequence[Click] = ()) -> None:
    """Refuses an expression that has no English word in it, unless clicks say what is meant.

    The networks answer anything, and an answer to what they can't read looks like any other.

    Raises:
        ValueError: As said.
    """
    unread = foreign(expression)
    if unread and not clicks and set(unread) == {word.typed for word in kept(expression)}:
        words = " ".join(unread).encode(errors="replace").decode()  # half a character can't be sent
        raise ValueError(strings.ENGLISH_ONLY.format(words=shortened(words)))
