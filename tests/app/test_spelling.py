"""Help with words, with the vocabulary of the shipped weights."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import spelling
from app.service import Item
from app.spelling import KNOWN, MOST, WELL_KNOWN, Doubt, help_for, nearest, replace_word, unsure
from cefnet.result import Result
from cefnet.weights import SHIPPED
from tests.cefnet.test_regions import LEFT, RIGHT, result

WORDS: dict[str, int] = json.loads((SHIPPED / "cefnet-acm" / "words.json").read_text())
TYPOS = {
    "roght": "right", "rihgt": "right", "lft": "left", "hrose": "horse", "gril": "girl", "womn": "woman",
    "persn": "person", "dgo": "dog", "cta": "cat", "blak": "black", "bleu": "blue", "yelow": "yellow",
    "grean": "green", "puprle": "purple", "brwon": "brown", "oragne": "orange", "umbrela": "umbrella",
    "elefant": "elephant", "girafe": "giraffe", "zeebra": "zebra", "bycicle": "bicycle", "motercycle": "motorcycle",
    "surfbord": "surfboard", "skatebord": "skateboard", "sandwhich": "sandwich", "brocoli": "broccoli",
    "refridgerator": "refrigerator", "toliet": "toilet", "keybord": "keyboard", "botle": "bottle", "chiar": "chair",
    "tabel": "table", "shrit": "shirt", "jackt": "jacket", "sunglases": "sunglasses", "midle": "middle",
    "behnd": "behind", "holdign": "holding", "scisors": "scissors", "teddybear": "teddy bear",
    "firehydrant": "fire hydrant",
}  # fmt: skip
CATEGORIES = """person bicycle car motorcycle airplane bus train truck boat traffic light fire hydrant stop sign parking
meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis
snowboard sports ball kite baseball bat glove skateboard surfboard tennis racket bottle wine glass cup fork knife spoon
bowl banana apple sandwich orange broccoli carrot hot dog pizza donut cake chair couch potted plant bed dining table
toilet tv laptop mouse remote keyboard cell phone microwave oven toaster sink refrigerator book clock vase scissors
teddy hair toothbrush"""  # all but "drier", which training did not have
COLOURS = """red orange yellow green blue purple violet pink brown black white gray grey tan beige gold golden silver
maroon navy turquoise teal olive cream magenta blonde blond dark light"""


def doubted(expression: str, words: dict[str, int] = WORDS) -> list[str]:
    return [doubt.word for doubt in unsure(expression, words)]


@pytest.mark.parametrize(("typed", "meant"), TYPOS.items())
def test_typing_errors_are_marked_and_mended(typed: str, meant: str) -> None:
    [doubt] = unsure(f"the {typed} on the left", WORDS)
    assert doubt.word == typed and doubt.suggestions[0] == meant


def test_known_words_are_not_marked() -> None:
    assert doubted(CATEGORIES) == [] and doubted(COLOURS) == []
    assert doubted("please show me the man who is on the left, if there are any") == []
    assert doubted("T-shirt of the man's dog, dark-haired (number 23, 3rd) 🐕 -- x") == []


def test_what_training_did_not_have_is_marked_without_nonsense() -> None:
    assert unsure("qwrtzp собака", WORDS) == [Doubt("qwrtzp", ()), Doubt("собака", ())]
    assert doubted("giraffes") == ["giraffes"] and unsure("giraffes", WORDS)[0].suggestions == ("giraffe",)


def test_a_word_is_marked_once_and_without_what_is_around_it() -> None:
    assert doubted("(Roght) roght, grey-haird dgo's tail") == ["Roght", "haird", "dgo"]


def test_errors_count_before_counts() -> None:
    words = {"car": 100, "cart": WELL_KNOWN, "cat": 1000, "part": WELL_KNOWN - 1, "horse": 1000, "horses": WELL_KNOWN}
    assert nearest("horsess", words) == ("horses", "horse")  # one error, two
    assert nearest("crat", words) == ("cat", "cart")  # both one, and "cat" is commoner
    assert nearest("qart", words) == ("cart",)  # "part" is too little known itself


def test_rare_means_below_a_count() -> None:
    assert doubted("ab cd", {"ab": KNOWN, "cd": KNOWN - 1}) == ["cd"]
    assert doubted("anything at all", {}) == []  # a model without word counts says nothing of words


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_judged(text: str) -> None:
    for doubt in unsure(text, WORDS):
        assert doubt.word in text and len(doubt.suggestions) <= MOST
        assert replace_word(text, doubt.word, "") != text


def test_whole_words_alone_are_replaced() -> None:
    assert replace_word("Dgo's and dgo, not dgoo or adgo", "dgo", "dog") == "dog's and dog, not dgoo or adgo"
    assert replace_word("a\\1b c+", "c", r"\1") == "a\\1b \\1+"


# On the page


def test_vocabulary_takes_the_better_of_two_models() -> None:
    models = {"a": SimpleNamespace(words={"dog": 3, "cat": 9}), "b": SimpleNamespace(words={"dog": 5})}
    assert spelling.vocabulary(SimpleNamespace(predictors=models)) == {"dog": 5, "cat": 9}  # type: ignore[arg-type]


def test_help_says_what_is_doubted_and_offers_replacements() -> None:
    with gr.Blocks():
        part = spelling.layout()
    told = help_for(part, ["<b>roght</b> dog", "dgo"], WORDS)
    note, choices = told[part.note], told[part.choices]
    assert note["visible"] and "“roght”" in note["value"] and "“dgo”" in note["value"]
    assert choices["samples"] == [["roght", "right"], ["dgo", "dog"]] and choices["visible"]
    assert choices["sample_labels"] == ["roght → right", "dgo → dog"]
    assert spelling.mend("roght dog; dgo", choices["samples"][0]) == "right dog; dgo"
    assert help_for(part, ["dog on the left"], WORDS) == spelling.hide(part)
    alone = help_for(part, ["<qwrtzp>"], WORDS)
    assert not alone[part.choices]["visible"] and "qwrtzp" in alone[part.note]["value"]
    foreign = help_for(part, ["红色 dog", "dog 🐕"], WORDS)[part.note]["value"]
    assert "Only English" in foreign and "“红色”" in foreign and "“🐕”" in foreign and "hardly" not in foreign
    assert "<i" not in help_for(part, ["<i>x</i>qwrtzp"], WORDS)[part.note]["value"]


def test_expressions_that_several_places_fit_are_said_to_be_so() -> None:
    clear, unclear = (result(places).decided(regions="one") for places in ({LEFT: 0.8}, {LEFT: 0.8, RIGHT: 0.8}))

    def item(text: str, vcm: Result, acm: Result) -> Item:
        return Item(1, text, {"cefnet-vcm": vcm, "cefnet-acm": acm}, {})

    assert spelling.several(item("a", clear, clear)) == ""
    assert "“&lt;b&gt;” about equally well, by ACM." in spelling.several(item("<b>", clear, unclear))
    assert "Two places fit “c” about equally well." in spelling.several(item("c", unclear, unclear))
    every = unclear.decided(regions="all")
    assert spelling.several(item("c", every, every)) == ""  # all are taken: there is nothing to say
    with gr.Blocks():
        part = spelling.layout()
    models = SimpleNamespace(predictors={"cefnet-vcm": SimpleNamespace(words=WORDS)})
    told = spelling.show(part, models, item("a roght", unclear, unclear))  # type: ignore[arg-type]
    note = told[part.note]["value"]
    assert "hardly know" in note and "Two places fit" in note and told[part.choices]["visible"]
    told = spelling.show(part, models, item("a dog", unclear, unclear))  # type: ignore[arg-type]
    assert told[part.note]["visible"] and "hardly" not in told[part.note]["value"] and not told[part.choices]["visible"]
