import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cefnet.model.text import TextEncoder
from cefnet.text import MAX_CHARACTERS, Tokenizer
from train.tokenizer import count_words, glove_embeddings, train_captions, train_expressions, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> Tokenizer:
    return Tokenizer.from_file(tiny_tokenizer)


@pytest.fixture(scope="module")
def encoder(tokenizer: Tokenizer) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(tokenizer.size, 8, 16, "layer").eval()


def test_known_words_are_one_piece_each_whatever_the_case(tokenizer):
    tokens = tokenizer.encode("  RED\tdog on  The left")
    assert tokens.words == ("RED", "dog", "on", "The", "left")
    assert tokens.word_of == (0, 1, 2, 3, 4)
    assert [tokenizer.piece(i) for i in tokens.ids] == ["▁red", "▁dog", "▁on", "▁the", "▁left"]


def test_full_width_letters_are_normalised(tokenizer):
    assert tokenizer.encode("ｒｅｄ").ids == tokenizer.encode("red").ids


def test_pieces_of_an_unknown_word_share_its_index(tokenizer):
    tokens = tokenizer.encode("red zyzzyva dog")
    assert tokens.words == ("red", "zyzzyva", "dog")
    assert len(tokens.ids) > 3
    assert tokens.word_of[0] == 0 and tokens.word_of[-1] == 2 and set(tokens.word_of[1:-1]) == {1}


@pytest.mark.parametrize("expression", ["🐕", "左边的狗", "собака", "<pad> <unk> <0x41>", "▁red", "?!", "x" * 20])
def test_anything_readable_is_spelled(tokenizer, expression):
    tokens = tokenizer.encode(expression)
    assert tokens.words == tuple(expression.split())
    assert 0 not in tokens.ids and 1 not in tokens.ids  # neither padding nor unknown


@pytest.mark.parametrize("expression", ["", "   \n", "\x00\x01\x7f", "\u200b\u200d", "\ud800", "▁"])
def test_nothing_readable_is_refused(tokenizer, expression):
    with pytest.raises(ValueError, match="nothing to read"):
        tokenizer.encode(expression)


def test_control_characters_change_nothing(tokenizer):
    tokens = tokenizer.encode("red\x00 \x07 do\u200bg")
    assert tokens.ids == tokenizer.encode("red dog").ids
    assert tokens.words == ("red\x00", "do\u200bg")  # as typed; what leaves no piece is no word


def test_too_many_characters_or_pieces_are_refused_with_the_limit(tokenizer):
    with pytest.raises(ValueError, match=r"10,000 characters; the limit is 1,000"):
        tokenizer.encode("dog " * 2500)
    with pytest.raises(ValueError, match=r"49 word pieces; the limit is 48"):
        tokenizer.encode("dog " * 49)
    assert len(tokenizer.encode("dog " * 48).ids) == 48


@pytest.mark.parametrize("expression", ["red " * 100, "red zyzzyva", "dog " * 2500])
def test_truncation_keeps_words_and_pieces_in_step(tokenizer, expression):
    tokens = tokenizer.encode(expression, max_tokens=3, truncate=True)
    assert len(tokens.ids) == len(tokens.word_of) == 3
    assert len(tokens.words) == tokens.word_of[-1] + 1


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(), max_size=60) | st.text("red dog\x00\u3000½ﷺ🐕", max_size=60))
def test_every_text_is_encoded_or_refused(tokenizer, expression):
    try:
        tokens = tokenizer.encode(expression)
    except ValueError as error:
        assert "nothing to read" in str(error) or "limit" in str(error)
        return
    assert 1 <= len(tokens.ids) == len(tokens.word_of) <= 48 and len(expression) <= MAX_CHARACTERS
    assert all(1 < i < tokenizer.size for i in tokens.ids)
    assert sorted(set(tokens.word_of)) == list(range(len(tokens.words)))  # every word has pieces
    assert list(tokens.word_of) == sorted(tokens.word_of)
    assert set(tokens.words) <= set(expression.split())


def test_batch_pads_behind(tokenizer):
    ids, mask = map(torch.from_numpy, tokenizer.batch(["dog", "big red dog"]))
    dog, red = (tokenizer.encode(word).ids[0] for word in ("dog", "red"))
    length = ids.shape[1]
    assert ids.tolist() == [[dog] + [0] * (length - 1), list(tokenizer.encode("big red dog").ids)]
    assert ids[1, -2:].tolist() == [red, dog] and ids.dtype == torch.int64
    assert mask.tolist() == [[True] + [False] * (length - 1), [True] * length]
    with pytest.raises(ValueError, match="No expressions"):
        tokenizer.batch([])


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, tiny_tokenizer):
    damaged = tmp_path / "tokenizer.model"
    with pytest.raises(ValueError, match="There is no tokenizer"):
        Tokenizer.from_file(damaged)
    for content in (b"", b"not a model", tiny_tokenizer.read_bytes()[:1000]):
        damaged.write_bytes(content)
        with pytest.raises(ValueError, match=r"tokenizer\.model"):
            Tokenizer.from_file(damaged)


def test_sentence_vector_is_a_plain_gru_over_the_real_pieces(tokenizer, encoder):
    expressions = ["dog", "the red zyzzyva on the left", "the red dog"]
    with torch.inference_mode():
        words, sentence = encoder(*map(torch.from_numpy, tokenizer.batch(expressions)))
        for n, expression in enumerate(expressions):
            e = encoder.embedding(torch.tensor(tokenizer.encode(expression).ids))
            forward, backward = torch.zeros(8), torch.zeros(8)
            for vector in e:
                forward = _gru_step(encoder.gru, "", vector, forward)
            for vector in e.flip(0):
                backward = _gru_step(encoder.gru, "_reverse", vector, backward)
            expected = encoder.norm(torch.cat([forward, backward]))
            torch.testing.assert_close(sentence[n], expected)
            torch.testing.assert_close(words[n, : len(e)], e)
            assert not words[n, len(e) :].any()


def _gru_step(gru: torch.nn.GRU, suffix: str, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """One step of a GRU, from its definition."""
    parameter = {name: getattr(gru, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    xr, xz, xn = (parameter["weight_ih"] @ x + parameter["bias_ih"]).chunk(3)
    hr, hz, hn = (parameter["weight_hh"] @ h + parameter["bias_hh"]).chunk(3)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return (1 - z) * torch.tanh(xn + r * hn) + z * h


@settings(max_examples=20, deadline=None)
@given(extra=st.integers(1, 10), word=st.sampled_from(["dog", "the red cat", "zyzzyva left"]))
def test_padding_changes_nothing(tokenizer, encoder, extra, word):
    ids, mask = map(torch.from_numpy, tokenizer.batch([word]))
    padded = torch.nn.functional.pad(ids, (0, extra))
    with torch.inference_mode():
        expected, found = encoder(ids, mask)[1], encoder(padded, padded != 0)[1]
    torch.testing.assert_close(found, expected)


def test_l2_gives_unit_length_and_every_parameter_learns(tokenizer):
    encoder = TextEncoder(tokenizer.size, 8, 16, "l2")
    with torch.autocast("cpu", torch.bfloat16):
        words, sentence = encoder(*map(torch.from_numpy, tokenizer.batch(["red dog", "cat"])))
    torch.testing.assert_close(sentence.norm(dim=1), torch.ones(2), atol=1e-2, rtol=0)
    (words.sum() + sentence[:, 0].sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in encoder.parameters())
    assert not encoder.embedding.weight.grad[0].any()  # padding stays zero


def test_impossible_encoders_are_refused():
    with pytest.raises(ValueError, match="must be even"):
        TextEncoder(10, 8, 15, "layer")
    with pytest.raises(ValueError, match="'layer' or 'l2'"):
        TextEncoder(10, 8, 16, "batch")


def test_words_are_counted_as_they_are_read():
    assert count_words(["A dog, a cat.", "Dog !", "...", "man’s T-shirt 🐕"]) == {
        "dog": 2,
        "a": 1,
        "cat": 1,
        "man's": 1,
        "t-shirt": 1,
    }
    assert list(count_words(["b x x", "c b x"])) == ["x", "b", "c"]  # most frequent first


def test_frequent_words_stay_whole(tiny_tokenizer):
    sentences = ["looking look ing walking walk talking talk"] * 20
    tokenizer = Tokenizer.from_bytes(train_tokenizer(sentences, 400))
    assert all(len(tokenizer.encode(word).ids) == 1 for word in ("looking", "walking", "talking"))


def test_training_is_repeatable_and_names_no_folder():
    sentences = ["the red dog", "a cat on the left"] * 20
    model = train_tokenizer(sentences, 400)
    assert model == train_tokenizer(sentences, 400)
    assert tempfile.gettempdir().encode() not in model


def test_training_text_is_of_the_train_split_alone(tmp_path):
    def ref(split: str, *sentences: str) -> dict:
        return {"split": split, "sentences": [{"sent": sentence} for sentence in sentences]}

    files = {
        "refs": [ref("train", "red dog", "dog"), ref("dev", "secret"), ref("study", "secret")],
        "absent": [{"image_id": 1, "sent": "blue cat", "split": "train"}, {"sent": "secret", "split": "dev"}],
        "instances": {"images": [{"id": 1, "split": "train"}, {"id": 2, "split": "study"}]},
        "captions": [{"image_id": 1, "caption": "A dog ."}, {"image_id": 2, "caption": "secret"}],
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert train_expressions(tmp_path) == ["red dog", "dog", "blue cat"]
    assert train_captions(tmp_path) == ["A dog ."]
    (tmp_path / "captions.json").unlink()
    (tmp_path / "absent.json").unlink()
    assert train_captions(tmp_path) == [] and train_expressions(tmp_path) == ["red dog", "dog"]


def test_glove_starts_whole_words_alone(tokenizer, tmp_path):
    vectors = np.arange(300, dtype=np.float16).reshape(3, 100)
    np.savez(tmp_path / "glove.npz", words=np.array(["dog", "s", "unseen"]), vectors=vectors)
    start, is_known = glove_embeddings(tokenizer, tmp_path / "glove.npz")
    dog = tokenizer.encode("dog").ids[0]
    assert is_known.nonzero().flatten().tolist() == [dog]  # a piece "s" inside words is not the word "s"
    assert start.shape == (tokenizer.size, 100) and start.dtype == torch.float32
    assert start[dog].tolist() == list(range(100)) and not start[~is_known].any()


@pytest.mark.parametrize(
    ("words", "vectors", "said"),
    [
        (["dog"], np.zeros((2, 4)), r"shapes \(1,\) and \(2, 4\)"),
        (["dog"], np.array([[{}]]), "Object arrays"),  # numpy would unpickle these
        (["dog"], np.array([["x"]]), "could not convert"),
        (None, None, "not a zip file"),
        (["dog"], np.zeros((1, 10**6)), "unpacked it has more than 1,000,000 bytes"),
    ],
)
def test_word_vectors_from_anybody(words, vectors, said, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("train.tokenizer.MOST_VECTORS", 10**6)
    path = tmp_path / "glove.npz"
    if words is None:
        path.write_bytes(b"something else")
    else:
        np.savez_compressed(path, words=np.array(words), vectors=vectors)
    with pytest.raises(ValueError, match=rf"glove.npz is no .npz of `words` and `vectors`: .*{said}"):
        glove_embeddings(tokenizer, path)


def test_photos_without_a_split_have_no_training_captions(tmp_path):
    (tmp_path / "captions.json").write_text(json.dumps([{"image_id": 1, "caption": "A dog ."}]))
    (tmp_path / "instances.json").write_text(json.dumps({"images": [{"id": 1}]}))
    assert train_captions(tmp_path) == []
