"""The normaliser of expressions: pairs written by hand, properties, and the shipped weights' golden answers."""

import json
import subprocess
import sys

import numpy as np
import pytest
from golden import GOLDEN, MODELS, QUESTIONS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from cefnet.config import Decision, ModelConfig, parse_config, write_config
from cefnet.predictor import Predictor
from cefnet.text import Tokenizer
from cefnet.words import foreign, kept, normalise

SAYS_NOTHING = {
    "The man in the straw hat.": "man in the straw hat",
    "“man in the straw hat”": "man in the straw hat",
    "'man in the straw hat'": "man in the straw hat",
    "man\u00a0in  the\tSTRAW hat …": "man in the straw hat",
    "m\u200ban\ufeff in the\u00ad straw\0 hat": "man in the straw hat",
    "dog,cat;horse": "dog cat horse",
    "dog—left": "dog left",
    "red_car": "red car",
    "ｒｅｄ　ｄｏｇ！": "red dog",
    "(dog)": "dog",
    "#7": "7",
    "please find the dog": "dog",
    "Can you please show me a dog?": "dog",
    "Could you segment: the dog, please!": "dog",
    "select all dogs": "all dogs",
    "where's the dog?": "dog",
    "I want to see the cat": "cat",
    "look for an apple": "apple",
    "mark the dog": "dog",
    "the mask of the dog": "dog",
    "a photo of a dog": "dog",
    "An image of the dog on the left": "dog on the left",
    "segment a picture of a cat on the table": "cat on the table",
    "a photo of a cat with its tail hanging down": "cat with its tail hanging down",
    "the the dog": "dog",
}
SAYS_SOMETHING = {
    "man's T-shirt": "man's t-shirt",
    "man’s t‑shirt": "man's t-shirt",
    "the boys' bike": "boys' bike",
    "player no. 7": "player no. 7",
    "No. 7.": "no. 7",
    "7": "7",
    "at 4 o'clock": "at 4 o'clock",
    "1,000 at 10:30": "1,000 at 10:30",
    "black & white dog": "black and white dog",
    "the man with the hat": "man with the hat",
    "can on the left": "can on the left",
    "show jumping horse": "show jumping horse",
    "segment of an orange": "segment of an orange",
    "where the remotes are lying": "where the remotes are lying",
    "photo of a dog": "photo of a dog",
    "the photo of a dog": "photo of a dog",
    "a photo of a dog on the wall": "photo of a dog on the wall",
    "a picture of a man in a gold frame": "picture of a man in a gold frame",
    "a photo of a dog hanging over the sofa": "photo of a dog hanging over the sofa",
    "man with a mask": "man with a mask",
    "🐕 left": "🐕 left",
    "左边的狗": "左边的狗",
}
ALONE = ("the", "please", "a", "find", "can you", "?!", "&", "...", "where is")
TYPED = {
    "as it is": "{}",
    "a full stop": "{}.",
    "an exclamation": "{} !",
    "a question mark": "{}?",
    "quotes": '"{}"',
    "curly quotes": "“{}”",
    "capitals": "{upper}",
    "the": "The {}",
    "doubled blanks": "  {wide} ",
    "zero-width": "\u200b{}\ufeff",
    "please select the": "please select the {}",
    "a photo of": "a photo of {}, please",
}
ASKED = [
    "the",
    "a",
    "please",
    "find",
    "show",
    "me",
    "can",
    "you",
    "photo",
    "of",
    "mask",
    "cut",
    "out",
    "where's",
    "for",
]
ODD = [
    "dog",
    "on",
    "wall",
    "no.",
    "7",
    "boys'",
    "'",
    "’s",
    "&",
    "\u200b",
    "…",
    "“",
    "”",
    ".",
    "-",
    ",",
    "ß",
    "İ",
    "ﷺ",
    "½",
]
ANY = st.text(max_size=12) | st.lists(st.sampled_from([*ASKED, *ODD]), max_size=9).flatmap(
    lambda words: st.sampled_from([" ".join(words), "".join(words)])
)


@pytest.mark.parametrize(("typed", "read"), SAYS_NOTHING.items())
def test_what_says_nothing_goes(typed: str, read: str) -> None:
    assert normalise(typed) == read


@pytest.mark.parametrize(("typed", "read"), SAYS_SOMETHING.items())
def test_what_says_something_stays(typed: str, read: str) -> None:
    assert normalise(typed) == read


@pytest.mark.parametrize("typed", ALONE)
def test_what_stands_alone_is_read(typed: str) -> None:
    assert normalise(typed) == typed


def test_words_are_kept_as_typed() -> None:
    words = kept("Please find “the MAN’s hat”, left.")
    assert [word.typed for word in words] == ["MAN’s", "hat”,", "left."]
    assert [word.read for word in words] == ["man's", "hat", "left"]
    assert [(word.typed, word.read) for word in kept("the dog,cat")] == [("dog,cat", "dog cat")]


@settings(max_examples=400)
@given(ANY)
def test_twice_is_once_and_nothing_readable_is_lost(typed: str) -> None:
    read = normalise(typed)
    assert normalise(read) == read
    assert bool(read) == any(letter.isprintable() and not letter.isspace() for letter in typed)
    assert read == " ".join(read.split()) and read == read.casefold()


@given(ANY)
def test_kept_words_are_words_that_were_typed_in_their_order(typed: str) -> None:
    rest = iter(typed.split())
    assert all(word.typed in rest for word in kept(typed))


@given(ANY)
def test_a_request_before_it_changes_no_reading(typed: str) -> None:
    read = normalise(typed)
    if any(map(str.isalnum, read)) and not read.startswith(("of ", "photo ", "picture ")):
        assert normalise(f"Please show me: {read}") == read


def test_the_tokenizer_reads_what_is_kept(tiny_tokenizer) -> None:
    tokenizer = Tokenizer.from_file(tiny_tokenizer)
    plain, typed = tokenizer.encode("red dog"), tokenizer.encode("Please find the “red” dog.")
    assert typed.ids == plain.ids and typed.word_of == plain.word_of and typed.words == ("“red”", "dog.")


@pytest.mark.parametrize("name", MODELS)
def test_the_golden_answers_however_they_are_typed(name: str) -> None:
    predictor = Predictor.from_pretrained(name, "cpu")
    golden = json.loads(GOLDEN.read_text())[name]
    for (file, text), then in zip(QUESTIONS, golden, strict=True):
        photo = predictor.encode(ROOT / "app" / "examples" / file)
        parts = {"upper": text.upper(), "wide": text.replace(" ", "  ")}
        typed = [form.format(text, **parts) for form in TYPED.values()]
        results = predictor.segment_many(photo, typed, explain=False)
        assert [result.expression for result in results] == typed
        for result in results:
            assert result.score == pytest.approx(then["score"], abs=0.02)
            np.testing.assert_array_equal(result.mask, results[0].mask, err_msg=result.expression)


def test_a_config_says_how_its_model_reads() -> None:
    values = json.loads(write_config(ModelConfig(), Decision()))
    assert values.pop("normaliser") == 1
    assert parse_config(json.dumps(values)) == (ModelConfig(), Decision())  # a folder from before it is read likewise
    for unknown in (0, 2, "1", True, None):
        with pytest.raises(ValueError, match=r"normaliser is .*; this version of cefnet knows 1"):
            parse_config(json.dumps({**values, "normaliser": unknown}))


def test_it_needs_no_torch() -> None:
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('words', 'cefnet/words.py')\n"
        "words = importlib.util.module_from_spec(spec); sys.modules['words'] = words; spec.loader.exec_module(words)\n"
        "print(words.normalise('The dog.'), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "dog False\n"


def test_what_cannot_be_english_is_named_as_typed() -> None:
    assert foreign("the man on the left, café 7, X-ray") == ()
    assert foreign("男人, dog 🙂 🙂") == ("男人,", "🙂")
    assert foreign("Hund links") == () and foreign("?!") == ("?!",) and foreign("Мужчина man") == ("Мужчина",)
