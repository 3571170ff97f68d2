import json

import pytest

from cefnet.config import ABLATION, PRESETS, Decision, parse_config, write_config


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    assert parse_config(write_config(PRESETS[name], Decision())) == (PRESETS[name], Decision())


@pytest.mark.parametrize("name", ABLATION)
def test_every_row_of_table_3_is_a_config(name: str) -> None:
    config = PRESETS["paper-acm"].with_values(ABLATION[name])
    assert (config.fusion, config.attention, config.boundary) == tuple(ABLATION[name].values())


def test_paper_presets_have_no_departure() -> None:
    for name in ("paper-vcm", "paper-acm"):
        c = PRESETS[name]
        assert (c.encoder, c.width, c.image_size, c.normalisation) == ("resnet101", 512, 320, "l2")
        assert (c.gated, c.residual, c.presence, c.branch_kernel, c.decoder_stride) == (
            False,
            False,
            False,
            0,
            2,
        )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"encoder": "vgg16"}, "resnet101"),
        ({"attention": "both"}, "vcm"),
        ({"width": 0}, "width is 0"),
        ({"width": 10**9}, "4096"),
        ({"width": "512"}, "int"),
        ({"width": True}, "int"),
        ({"image_size": 321}, "multiple of 16"),
        ({"presence_threshold": 1.5}, "between 0 and 1"),
        ({"mask_threshold": -0.1}, "mask_threshold is -0.1; it must be between 0 and 1"),
        ({"regions": "some"}, "one, all, auto"),
        ({"regions": True}, "str"),
        ({"regions": "auto"}, "no output that says whether several things are meant: use one or all"),
        ({"one_region": 1}, "true or false"),
        ({"one_region": True, "regions": "one"}, "leave one_region out"),
        ({"decoder_widths": [1, 2]}, "five widths"),
        ({"decoder_widths": 3}, "decoder_widths"),
        ({"text_width": 15}, "even"),
        ({"fusion": "decoder"}, "fusion='encoder'"),
        ({"fusion": "decoder", "attention": "none"}, "boundary=False"),
        ({"colour": 1}, "colour"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_config(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_what_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="config"):
        parse_config(text)
