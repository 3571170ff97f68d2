"""The tokenizer: `python -m train tokenizer --data DIR --out DIR` (ten seconds on one core).

Writes `tokenizer.model` (SentencePiece, unigram) and `words.json` (how often each word stands in the training
expressions). Learns from the `train` split alone: referring expressions, absent expressions and captions.
"""

import argparse
import io
import json
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from torch import Tensor

from cefnet.text import PADDING, Tokenizer
from cefnet.words import normalise
from train.data.reader import read_json

MOST_VECTORS = 4 * 2**30  # bytes; the largest GloVe has 2.6 GB


def train_expressions(data: Path) -> list[str]:
    """Every expression of `train`, of things that are there (`refs.json`) or not (`absent.json`, if any)."""
    refs = [ref for ref in read_json(data / "refs.json") if ref["split"] == "train"]
    absent = [record for record in _optional(data / "absent.json") if record.get("split") == "train"]
    return [sentence["sent"] for ref in refs for sentence in ref["sentences"]] + [record["sent"] for record in absent]


def train_captions(data: Path) -> list[str]:
    """The captions (`captions.json`, if any) of the photos of `train`."""
    captions = _optional(data / "captions.json")
    if not captions:
        return []
    images = read_json(data / "instances.json")["images"]
    train = {image["id"] for image in images if image.get("split") == "train"}
    return [record["caption"] for record in captions if record["image_id"] in train]


def train_tokenizer(sentences: Sequence[str], size: int) -> bytes:
    """Trains a unigram model with byte fallback, lower-casing and NFKC; returns the serialised model.

    Left to itself a unigram model of so little text spells "looking" as "look" + "ing", because that costs
    little likelihood; but a whole word can start from its GloVe vector. So a first, smaller model finds the
    sub-words, and the second one starts from these and every word seen at least three times, and prunes them
    to `size`.

    Args:
        sentences: Text to learn from; it is normalised, as expressions are before they are cut into pieces.
        size: Number of pieces, of which 256 are bytes and 2 are padding (0) and unknown (1); fewer if the
            text is small.

    Raises:
        ValueError: If `size` is too small for the text's characters.
    """
    sentences = [text for sentence in sentences if (text := normalise(sentence))]
    first = Tokenizer.from_bytes(_unigram(sentences, max(size * 2 // 3, min(size, 400))))
    words = count_words(sentences)
    seeds = {"▁" + word: count for word, count in words.items() if count >= 3}
    subwords: Counter[str] = Counter()
    for word, count in words.items():
        for index in first.encode(word, truncate=True).ids:
            subwords[first.piece(index)] += count
    seeds |= {piece: count for piece, count in subwords.items() if piece not in seeds and piece[0] != "<"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seeds.tsv"
        file.write_text("".join(f"{piece}\t{count}\n" for piece, count in seeds.items()), encoding="utf-8")
        model = _unigram(sentences, size, seed_sentencepieces_file=str(file))
        path = str(file).encode()
        return model.replace(path, b"seeds.tsv".ljust(len(path)))  # the model keeps its options: no paths in there


def _unigram(sentences: Sequence[str], size: int, **options: Any) -> bytes:
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            normalization_rule_name="nmt_nfkc_cf",  # NFKC, lower-case; control characters go
            character_coverage=1.0,
            byte_fallback=True,
            pad_id=PADDING,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
            **options,
        )
    except RuntimeError as error:
        raise ValueError(f"SentencePiece can't make {size} pieces from this text: {error}") from error
    return model.getvalue()


def count_words(sentences: Iterable[str]) -> dict[str, int]:
    """How often each word is read (see `cefnet.words`); most frequent first. Signs alone are no words."""
    words = (word for sentence in sentences for word in normalise(sentence).split())
    counts = Counter(word for word in words if any(map(str.isalnum, word)))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def glove_embeddings(tokenizer: Tokenizer, glove: str | Path) -> tuple[Tensor, Tensor]:
    """Word vectors for the pieces that are whole words ("▁dog").

    Args:
        tokenizer: Whose pieces to look up.
        glove: `.npz` file with `words` (V strings) and `vectors` (V x 100).

    Returns:
        vectors: Size x 100 float32; zero where the piece is no whole word that GloVe has.
        is_known: Size bool; True where `vectors` has a word's vector. The others are the caller's to start.

    Raises:
        ValueError: It is no such file, or it unpacks to more than `MOST_VECTORS` bytes.
    """
    try:
        with zipfile.ZipFile(glove) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_VECTORS:
                raise ValueError(f"unpacked it has more than {MOST_VECTORS:,} bytes")
        with np.load(glove, allow_pickle=False) as file:
            words, vectors = file["words"], file["vectors"].astype(np.float32)
        if words.ndim != 1 or vectors.ndim != 2 or len(words) != len(vectors):
            raise ValueError(f"words and vectors are of shapes {words.shape} and {vectors.shape}")
    except (zipfile.BadZipFile, ValueError, LookupError, EOFError, zlib.error) as error:
        raise ValueError(f"{glove} is no .npz of `words` and `vectors`: {error}") from error
    row_of, known = {str(word): row for row, word in enumerate(words)}, torch.from_numpy(vectors)
    vectors = torch.zeros(tokenizer.size, known.shape[1])
    is_known = torch.zeros(tokenizer.size, dtype=torch.bool)
    for index in range(tokenizer.size):
        piece = tokenizer.piece(index)
        row = row_of.get(piece[1:]) if piece.startswith("▁") else None
        if row is not None:
            vectors[index], is_known[index] = known[row], True
    return vectors, is_known


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with refs.json, instances.json, captions.json")
    parser.add_argument("--out", type=Path, default=Path("runs/tokenizer"), help="folder to write to")
    parser.add_argument("--size", type=int, default=6000, help="number of pieces (default 6000)")


def main(args: argparse.Namespace) -> None:
    expressions = train_expressions(args.data)
    model = train_tokenizer(expressions + train_captions(args.data), args.size)
    size, words = Tokenizer.from_bytes(model).size, count_words(expressions)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "tokenizer.model").write_bytes(model)
    (args.out / "words.json").write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{args.out}: {size} pieces, {len(words)} words from {len(expressions)} expressions")


def _optional(path: Path) -> list[dict]:
    return read_json(path) if path.is_file() else []
