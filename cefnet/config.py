"""What a model is built from, how its answers are decided, the JSON of both, and the presets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cefnet import words

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet101_2")
EFFICIENTNETS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")

REGIONS = ("one", "all", "auto")
NO_AUTO = "regions is 'auto', but this model has no output that says whether several things are meant: use one or all"

_CHOICES: dict[str, tuple[object, ...]] = {
    "encoder": RESNETS + EFFICIENTNETS,
    "fusion": ("encoder", "decoder"),
    "attention": ("none", "vcm", "acm"),
    "normalisation": ("l2", "batch"),
    "pixels": ("standard", "batchnorm"),
    "branch_kernel": (0, 1, 3),
    "decoder_stride": (2, 4),
}
_AT_LEAST: dict[str, int] = {
    "width": 8,
    "image_size": 32,
    "vocabulary": 2,
    "word_width": 1,
    "text_width": 2,
    "max_tokens": 1,
}
_AT_MOST: dict[str, int] = {
    "width": 4096,
    "image_size": 2048,
    "vocabulary": 200_000,
    "word_width": 4096,
    "text_width": 4096,
    "max_tokens": 512,
}


@dataclass(frozen=True)
class ModelConfig:
    """What a CEFNet is built from. The defaults are the paper's ACM model.

    Attributes:
        encoder: Visual encoder, a name of `RESNETS` or `EFFICIENTNETS`.
        dilated: Dilation in stage 5 in place of its lost stride, so that it sees what its ImageNet weights
            expect (departure).
        width: Channels C of the multi-modal features M and L (Eq. 1-8).
        fusion: `encoder` = EFN, the fused feature feeds the next encoder block; `decoder` = DFN, it only
            feeds the decoder.
        attention: Co-attention of Eq. 3-5 (`vcm`), Eq. 6-8 (`acm`), or `none`: Eq. 1 alone.
        boundary: The boundary enhancement module (Eq. 9-11); without it a plain FPN decoder.
        image_size: Side in pixels of the square that photos are squashed to.
        vocabulary: Number of SentencePiece pieces; id 0 is padding.
        word_width: Width of a word embedding e_t.
        text_width: Width of the sentence vector h_T.
        max_tokens: Pieces of the longest expression that is accepted.
        decoder_widths: Channels of D_5, D_4, D_3, D_2, D_1; S_i is as wide as D_{i-1}.
        decoder_stride: Stride of the finest decoder level. 4 halves D_1 (departure from the paper).
        normalisation: `l2` = unit length over channels before sums and products (authors' code);
            `batch` = BatchNorm and LayerNorm with logits scaled by 1/sqrt(width) (departure).
        gated: Eq. 1 multiplied by a gate of the sentence, then ReLU (departure).
        residual: Co-attention added to M and L instead of replacing them (departure).
        branch_kernel: Kernel of a convolution on M~ and on L~ before the concatenation; 0 = none (the
            paper), 3 (VCM) and 1 (ACM) in the authors' code.
        pixels: `standard` = the encoder's mean and deviation; `batchnorm` = a learned BatchNorm on raw
            BGR values (authors' code).
        matching: Eq. 1 also reads how well each place fits the sentence before fusion (departure).
        presence: A learned "is it there at all" output (departure).
        right: A learned "the mask is right" output, which is then the `score` of an answer (departure).
        several: A learned "more than one thing is meant" output (departure).
        clicks: Eq. 1 and the masks also read where somebody clicked "here" and "not here"; needs `matching`
            (departure).
    """

    encoder: str = "resnet101"
    dilated: bool = False
    width: int = 512
    fusion: str = "encoder"
    attention: str = "acm"
    boundary: bool = True
    image_size: int = 320
    vocabulary: int = 6000
    word_width: int = 300
    text_width: int = 512
    max_tokens: int = 48
    decoder_widths: tuple[int, int, int, int, int] = (512, 256, 128, 64, 32)
    decoder_stride: int = 2
    normalisation: str = "l2"
    gated: bool = False
    residual: bool = False
    branch_kernel: int = 0
    pixels: str = "standard"
    matching: bool = False
    presence: bool = False
    right: bool = False
    several: bool = False
    clicks: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.decoder_widths, list):  # as JSON has it
            object.__setattr__(self, "decoder_widths", tuple(self.decoder_widths))
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), field.default)
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                options = ", ".join(map(str, known))
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of: {options}")
        for name, least in _AT_LEAST.items():
            if not least <= getattr(self, name) <= _AT_MOST[name]:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {least} to {_AT_MOST[name]}")
        if len(self.decoder_widths) != 5 or not all(1 <= w <= 4096 for w in self.decoder_widths):
            raise ValueError(f"decoder_widths is {self.decoder_widths}; give five widths, D_5 to D_1")
        multiple = 32 if self.dilated else 16
        if self.image_size % multiple:
            raise ValueError(f"image_size is {self.image_size}; it must be a multiple of {multiple}")
        if self.clicks and not self.matching:
            raise ValueError("clicks=True needs matching=True: a click selects by what `Matching` sees of places")
        if self.text_width % 2:
            raise ValueError(f"text_width is {self.text_width}; it must be even (two directions)")
        if self.fusion == "decoder" and (self.attention != "none" or self.boundary):
            raise ValueError(
                "fusion='decoder' (DFN) exists only with attention='none' and boundary=False; "
                "use fusion='encoder' for co-attention or the boundary module"
            )

    def with_values(self, values: Mapping[str, object]) -> ModelConfig:
        """A copy with some fields changed; a ValueError names fields that do not exist."""
        unknown = sorted(set(values) - {field.name for field in fields(self)})
        if unknown:
            raise ValueError(f"unknown model config fields: {', '.join(unknown)}")
        return replace(self, **values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Decision:
    """How a network's numbers become an answer. The defaults are the paper's.

    It is no part of the network: the same numbers can be decided otherwise (`cefnet.result.Result.decided`).

    Attributes:
        mask_threshold: Probabilities at or above it belong to the mask, 0..1.
        presence_threshold: Scores below it mean "nothing here matches", 0..1.
        regions: Which of several separate regions above the mask threshold are the mask: `one` = the strongest alone
            (departure), `all` = all of them (the paper), `auto` = as the model's own output says (departure).
    """

    mask_threshold: float = 0.5
    presence_threshold: float = 0.5
    regions: str = "all"

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), field.default)
        for name in ("mask_threshold", "presence_threshold"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be between 0 and 1")
        if self.regions not in REGIONS:
            raise ValueError(f"regions is {self.regions!r}; it must be one of: {', '.join(REGIONS)}")

    def changed(
        self, mask_threshold: float | None = None, presence_threshold: float | None = None, regions: str | None = None
    ) -> Decision:
        """A copy with some fields changed.

        Args:
            mask_threshold: 0..1; None leaves it as it is, here and below.
            presence_threshold: 0..1.
            regions: One of `REGIONS`.

        Raises:
            ValueError: A value that cannot be.
        """
        given: dict[str, Any] = {
            "mask_threshold": mask_threshold, "presence_threshold": presence_threshold, "regions": regions
        }  # fmt: skip
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def keeps_one(self, several: float | None) -> bool:
        """Whether the mask is its strongest region alone.

        Args:
            several: The model's probability, 0..1, that several things are meant; None if it does not say.

        Raises:
            ValueError: `regions` is "auto" and the model does not say.
        """
        if self.regions != "auto":
            return self.regions == "one"
        if several is None:
            raise ValueError(NO_AUTO)
        return several < 0.5


def check_decision(config: ModelConfig, decision: Decision) -> None:
    """Refuses what a model of `config` cannot decide.

    Args:
        config: Of the model.
        decision: How its answers are to be decided.

    Raises:
        ValueError: `regions` is "auto" and the model has no `several` output.
    """
    if decision.regions == "auto" and not config.several:
        raise ValueError(NO_AUTO)


def regions_of(one_region: object) -> str:
    """The value of `regions` that `one_region`, its older name, stands for.

    Args:
        one_region: True or False.

    Returns:
        "one" or "all".

    Raises:
        ValueError: `one_region` is neither.
    """
    if not isinstance(one_region, bool):
        raise ValueError(f"one_region is {one_region!r}; it must be true or false (or say regions: one, all)")
    return "one" if one_region else "all"


def write_config(config: ModelConfig, decision: Decision) -> str:
    """Architecture, the version of `cefnet.words` and decision as one flat JSON object."""
    return json.dumps({**asdict(config), "normaliser": words.VERSION, **asdict(decision)}, indent=2) + "\n"


def parse_config(text: str) -> tuple[ModelConfig, Decision]:
    """Reads what `write_config` wrote, or an older version did; fields left out take their defaults, and
    `normaliser` is 1.

    Args:
        text: JSON.

    Raises:
        ValueError: Not a JSON object, an unknown field or normaliser, an impossible value, or a decision that the model
            cannot make.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the model config is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError("the model config must be a JSON object")
    words.check_version(values.pop("normaliser", words.VERSION))
    if "one_region" in values:
        if "regions" in values:
            raise ValueError("the model config has regions and one_region, its older name: leave one_region out")
        values["regions"] = regions_of(values.pop("one_region"))
    chosen = {field.name: values.pop(field.name) for field in fields(Decision) if field.name in values}
    config, decision = ModelConfig().with_values(values), Decision(**chosen)
    check_decision(config, decision)
    return config, decision


def add_decision(parser: argparse.ArgumentParser, own: str = "the model's") -> None:
    """Adds a command-line option for each field of `Decision`; one that is left out is None (see `decision_of`).

    Args:
        parser: Of a command that decides a model's answers.
        own: Where the defaults come from, in words.
    """
    parser.add_argument("--mask-threshold", type=_share, metavar="P", help=f"0..1 (default: {own})")
    parser.add_argument(
        "--presence-threshold", type=_share, metavar="P", help=f"0..1; 0 always shows a best guess (default: {own})"
    )
    parser.add_argument(
        "--regions", choices=REGIONS,
        help=f"of several separate regions the strongest one, all, or as the model says (default: {own})",
    )  # fmt: skip
    for option, one in (("--one-region", True), ("--no-one-region", False)):  # the older names
        parser.add_argument(option, dest="regions", action="store_const", const=regions_of(one), help=argparse.SUPPRESS)


def decision_of(args: argparse.Namespace, own: Decision) -> Decision:
    """The decision that a command line asks for.

    Args:
        args: Parsed by a parser with the options of `add_decision`.
        own: The model's own, for what is left out.
    """
    return own.changed(args.mask_threshold, args.presence_threshold, args.regions)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _check_type(name: str, value: object, default: object) -> None:
    if isinstance(default, tuple):
        right = isinstance(value, tuple) and all(type(v) is int for v in value)
    elif isinstance(default, float):
        right = type(value) in (int, float)
    else:
        right = type(value) is type(default)
    if not right:
        raise ValueError(f"{name} is {value!r}; it must be of type {type(default).__name__}")


_PAPER = ModelConfig()
_AUTHORS = replace(_PAPER, encoder="wide_resnet101_2", pixels="batchnorm")

# The shipped models are no presets: the config.json of their weights alone says what they are.
PRESETS: dict[str, ModelConfig] = {
    "paper-vcm": replace(_PAPER, attention="vcm"),
    "paper-acm": _PAPER,
    "authors-vcm": replace(_AUTHORS, attention="vcm", branch_kernel=3),
    "authors-acm": replace(_AUTHORS, attention="acm", branch_kernel=1),
}

# The rows of the paper's Table 3, as changes to any preset.
ABLATION: dict[str, dict[str, object]] = {
    "dfn": {"fusion": "decoder", "attention": "none", "boundary": False},
    "efn": {"fusion": "encoder", "attention": "none", "boundary": False},
    "efn-vcm": {"fusion": "encoder", "attention": "vcm", "boundary": False},
    "efn-acm": {"fusion": "encoder", "attention": "acm", "boundary": False},
    "efn-vcm-bem": {"fusion": "encoder", "attention": "vcm", "boundary": True},
    "efn-acm-bem": {"fusion": "encoder", "attention": "acm", "boundary": True},
}
