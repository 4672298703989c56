import pytest

from maskfold.engine.layer_decay import layer_factors

# By family, names as its parameters have them in an optimizer, from the stem to the deepest stage.
NAMES = {
    "convnext": ["stem_1.weight", "stages_0.blocks.2.gamma", "stages_1.downsample.1.bias", "stages_2.blocks.0.gamma"],
    "efficientnet": ["conv_stem.weight", "blocks.0.1.bn1.bias", "blocks.1.0.conv.weight", "blocks.2.3.bn2.weight"],
    "maxvit": ["stem.norm1.bias", "stages_0.blocks.0.conv.x", "stages_1.blocks.1.attn_grid.x", "stages_2.blocks.0.x"],
    "resnet": ["conv1.weight", "layer1.0.conv2.weight", "layer2.1.bn1.bias", "layer3.0.downsample.0.weight"],
    "vit": ["pos_embed", "blocks.0.norm1.bias", "blocks.1.attn.qkv.weight", "blocks.2.mlp.fc1.weight"],
}


@pytest.mark.parametrize("family", NAMES)
def test_each_stage_has_less_than_the_one_behind_it_and_the_stem_the_least(family):
    inside = [f"network.encoder.model.{name}" for name in NAMES[family]]
    factors = layer_factors([*inside, "network.decoder.blocks.0.conv1.0.weight", "network.head.0.bias"], 0.5)

    assert factors == dict(zip(inside, (0.0625, 0.125, 0.25, 0.5), strict=True))


def test_segformers_stages_go_by_number_whatever_the_order_of_their_parts():
    names = ["patch_embed1.norm.bias", "patch_embed2.proj.bias", "block1.0.norm1.bias", "norm1.weight", "block2.1.x"]
    factors = layer_factors([f"network.encoder.{name}" for name in names], 0.8)

    assert [*factors.values()] == pytest.approx([0.64, 0.8, 0.64, 0.64, 0.8])


def test_frozen_stages_leave_the_others_rates_as_they_were():
    names = [f"stages.{number}.0.conv1.weight" for number in range(4)]  # as LinkNet calls them

    assert layer_factors(names[2:], 0.5) == {names[2]: 0.25, names[3]: 0.5}
    assert layer_factors(["down.0.weight", "centre.weight"], 0.5) == {}
