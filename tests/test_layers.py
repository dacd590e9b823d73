"""Blocks against their formulas, and the symmetries that the formulas promise."""

import pytest
import torch
import torch.nn.functional as F

from lineart.layers import (
    CrossAttention,
    MatchedAttention,
    NoiseInjection,
    PaletteBlock,
    ResidualBlock,
    SkipGate,
    WSConv2d,
    conv_of_constants,
    group_norm,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_filters_are_standardised_and_their_scale_and_offset_change_nothing():
    conv, x = WSConv2d(4, 6, 3), torch.randn(2, 4, 9, 9)
    filters = conv.standardized_weight().flatten(1)
    torch.testing.assert_close(filters.mean(1), torch.zeros(6), atol=1e-6, rtol=0)
    torch.testing.assert_close(filters.square().sum(1), torch.ones(6), atol=1e-4, rtol=0)  # variance 1/fan_in
    before = conv(x)
    conv.weight.data = 3 * conv.weight.data + 0.7
    torch.testing.assert_close(conv(x), before, atol=1e-5, rtol=1e-4)


def test_a_filter_of_equal_weights_is_finite():
    conv = WSConv2d(3, 2, 3)
    conv.weight.data.fill_(0.5)
    conv(torch.randn(1, 3, 5, 5)).sum().backward()
    assert conv.weight.grad.isfinite().all()


@pytest.mark.parametrize(("channels", "groups"), [(512, 32), (128, 32), (64, 16), (16, 4), (4, 1), (6, 1)])
def test_groups_hold_at_least_four_channels(channels, groups):
    assert group_norm(channels).num_groups == groups


def test_groups_are_normalised_in_float32_and_come_back_in_the_precision_of_the_input():
    torch.manual_seed(0)
    norm, x = group_norm(16), (1000 + torch.randn(2, 16, 8, 8)).bfloat16().to(memory_format=torch.channels_last)
    expected = F.group_norm(x.double(), 4, eps=norm.eps)
    assert norm(x).dtype == torch.bfloat16
    assert torch.allclose(norm(x).double(), expected, rtol=2**-8, atol=1e-4)
    assert torch.equal(norm(x.float()), F.group_norm(x.float(), 4, norm.weight, norm.bias))


@pytest.mark.parametrize(("mode", "size"), [("down", 8), ("same", 16), ("up", 32)])
def test_residual_block_by_hand(mode, size):
    block, x = ResidualBlock(4, 8, mode), torch.randn(2, 4, 16, 16)
    y = x.repeat_interleave(2, 2).repeat_interleave(2, 3) if mode == "up" else x
    h = F.conv2d(y, block.conv1.standardized_weight(), stride=2 if mode == "down" else 1, padding=1)
    h = F.conv2d(F.leaky_relu(block.norm1(h), 0.2), block.conv2.standardized_weight(), padding=1)
    skip = y.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)) if mode == "down" else y
    expected = F.leaky_relu(block.norm2(h) + block.skip(skip), 0.2)
    assert expected.shape == (2, 8, size, size)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("kernel", [3, 4])
def test_a_convolution_of_constant_planes_is_the_convolution(kernel):
    values, weight = torch.randn(2, 5, 1, 1).double(), torch.randn(6, 5, kernel, kernel).double()
    for height in range(2, 16):
        for width in (2, 3, 5, 6, 7, 8, 9, 40, 41):
            whole = F.conv2d(values.expand(-1, -1, height, width), weight, stride=2, padding=1)
            torch.testing.assert_close(conv_of_constants(values, weight, height, width), whole)


@pytest.mark.parametrize("size", [(33, 32), (32, 35), (3, 3)])
def test_an_odd_size_cannot_be_halved(size):
    line, palette = torch.randn(1, 3, *size), torch.randn(1, 27, 1, 1)
    planes = torch.cat([line, palette.expand(-1, -1, *size)], 1)
    sentence = rf"^height and width must be even to be halved, got \({size[0]}, {size[1]}\)$"
    with pytest.raises(ValueError, match=sentence):
        PaletteBlock(30, 8, "down")(line, palette)
    with pytest.raises(ValueError, match=sentence):
        ResidualBlock(30, 8, "down")(planes)
    assert ResidualBlock(30, 8)(planes).shape == (1, 8, *size)


@pytest.mark.parametrize("size", [(2, 2), (4, 4), (16, 16), (12, 20)])
def test_palette_block_is_the_residual_block_on_constant_planes(size):
    block = PaletteBlock(30, 8, "down").double()
    line, palette = torch.randn(2, 3, *size).double(), torch.randn(2, 27, 1, 1).double()
    planes = torch.cat([line, palette.expand(-1, -1, *size)], 1)
    torch.testing.assert_close(block(line, palette), ResidualBlock.forward(block, planes))


def attention_by_hand(layer, x, tokens):
    n, c, h, w = x.shape
    q = torch.einsum("dc,nchw->nhwd", layer.to_q.weight, x)
    k, v = tokens @ layer.to_k.weight.T, tokens @ layer.to_v.weight.T
    scores = torch.einsum("nhwd,ntd->nhwt", q, k) / c**0.5
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    out = torch.einsum("nhwt,ntd->nhwd", weights, v) @ layer.to_out.weight.T
    return layer.norm(x + out.permute(0, 3, 1, 2)), weights


def test_attention_by_hand_and_recorded_weights():
    layer, x, tokens = CrossAttention(8, 5).double(), torch.randn(2, 8, 3, 4).double(), torch.randn(2, 7, 5).double()
    expected, weights = attention_by_hand(layer, x, tokens)
    torch.testing.assert_close(layer(x, tokens), expected)
    layer.record = True
    layer(x, tokens)
    torch.testing.assert_close(layer.attention, weights)
    torch.testing.assert_close(layer.attention.sum(-1), torch.ones(2, 3, 4).double())


def test_matched_attention_by_hand_and_without_matches_as_the_papers():
    layer, x, tokens = MatchedAttention(8, 5).double(), torch.randn(2, 8, 3, 4).double(), torch.randn(2, 6, 5).double()
    match, reference_match = torch.randn(2, 8, 3, 4).double(), torch.randn(2, 8, 2, 3).double()
    asks = (x.flatten(2).mT @ layer.to_q.weight.T) + (match.flatten(2).mT @ layer.match_q.weight.T)
    answers = tokens @ layer.to_k.weight.T + reference_match.flatten(2).mT @ layer.match_k.weight.T
    weights = (asks @ answers.mT / 8**0.5).softmax(-1)
    out = (weights @ (tokens @ layer.to_v.weight.T) @ layer.to_out.weight.T).mT.reshape(2, 8, 3, 4)
    torch.testing.assert_close(layer(x, tokens, match, reference_match), layer.norm(x + out))
    apart = layer(x, tokens, 0 * match, reference_match)
    torch.testing.assert_close(
        layer(x, tokens, 0 * match, 0 * reference_match), CrossAttention.forward(layer, x, tokens)
    )
    assert not torch.allclose(apart, CrossAttention.forward(layer, x, tokens))


def test_gate_scales_the_skip_between_zero_and_one():
    gate, skip = SkipGate(8, 6), torch.randn(2, 8, 4, 4)
    share = gate(skip, torch.randn(2, 6, 4, 4)) / skip
    assert ((share > 0) & (share < 1)).all()
    torch.testing.assert_close(share, share[:, :1].expand_as(share))  # one map for all channels


def test_noise_starts_as_the_identity_and_is_off_in_eval():
    noise, x = NoiseInjection(4), torch.randn(2, 4, 8, 8)
    assert torch.equal(noise(x), x)
    noise.scale.data = torch.tensor([1.0, 2.0, 0.0, -1.0]).view(4, 1, 1)
    added = noise(x) - x
    torch.testing.assert_close(added[:, 1], 2 * added[:, 0])  # one plane, scaled per channel
    torch.testing.assert_close(added[:, 3], -added[:, 0])
    assert added[:, 2].abs().max() == 0 and added[:, 0].std() > 0.8
    noise.eval()
    assert torch.equal(noise(x), x)
    first, again = (noise(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, x)
