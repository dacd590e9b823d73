"""The generator as Figure 2 has it, and the discriminator's 30x30 map."""

import pytest
import torch

from lineart.data.lines import lines_of
from lineart.layers import palette_planes
from lineart.networks import Generator, PatchDiscriminator, count_parameters

METHODS = [
    dict(attention="none"),
    dict(attention="gate"),
    dict(reference="palette"),
    {},
    dict(keys="colors"),
    dict(keys="lines", fine_levels=1),
]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def inputs(n=2, size=32):
    return torch.rand(n, 3, size, size) * 2 - 1, torch.rand(n, 9, 3) * 2 - 1, torch.rand(n, 3, size, size) * 2 - 1


def test_attention_noise_and_skips_sit_where_figure_2_has_them():
    generator = Generator(4, 7)
    assert sorted(generator.encoder_attention) == ["5", "6", "7"]
    assert sorted(generator.decoder_attention) == ["4", "5", "6"]
    assert sorted(generator.noise) == ["5", "6", "7"]  # skips of levels 5 and 6, and the bottleneck
    assert sorted(Generator(4, 7, "gate").gates) == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [(METHODS[0], 43_309_187), (METHODS[1], 44_188_585), (METHODS[2], 49_608_835), (METHODS[3], 68_629_187)],
)
def test_parameters_of_the_paper_profile(method, expected):
    with torch.device("meta"):
        assert count_parameters(Generator(64, 7, **method)) == expected


@pytest.mark.parametrize("method", METHODS)
def test_pictures_of_a_batch_do_not_see_each_other(method):
    generator = Generator(4, 4, **method).eval()
    line, palette, reference = inputs(3)
    alone = torch.cat([generator(line[i : i + 1], palette[i : i + 1], reference[i : i + 1]) for i in range(3)])
    together = generator(line, palette, reference)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert together.shape == line.shape and together.abs().max() <= 1


def test_what_each_method_looks_at():
    """Each at the palette; attention to a picture at the reference, and keys from lines at its lines, too."""
    line, palette, reference = inputs()
    for method in METHODS:
        generator = Generator(4, 4, **method).eval()
        out = generator(line, palette, reference)
        assert not torch.allclose(out, generator(line, -palette, reference))
        blind = method.get("attention") in ("none", "gate") or method.get("reference") == "palette"
        assert torch.allclose(out, generator(line, palette, reference.flip(1))) == blind


def test_lines_as_keys_match_whatever_the_colours_are():
    """The maps that match come from the reference's lines alone; drawing and reference go through the same weights."""
    line, _, reference = inputs()
    generator = Generator(4, 4, keys="lines").eval()
    grey = (reference * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    for (of_line, one), (_, other) in zip(
        generator.matches(line, reference), generator.matches(line, grey), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)  # another picture of the same brightness
        assert of_line.shape == one.shape
    twice = generator.matches(lines_of(reference), reference)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in twice)
    colored = Generator(4, 4, keys="colors").eval()
    assert not torch.allclose(colored.matches(line, reference)[0][1], colored.matches(line, grey)[0][1])


def test_reference_of_another_size_works():
    generator = Generator(4, 4).eval()
    line, palette, _ = inputs()
    assert generator(line, palette, torch.rand(2, 3, 64, 32)).shape == line.shape


def test_noise_needs_training_or_a_generator():
    generator = Generator(4, 4)
    for layer in generator.noise.values():
        layer.scale.data.fill_(1.0)
    line, palette, reference = inputs()
    generator.eval()
    assert torch.equal(generator(line, palette, reference), generator(line, palette, reference))
    seeded = [generator(line, palette, reference, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(seeded[0], seeded[1]) and not torch.equal(seeded[0], seeded[2])


def test_recorded_attention_has_a_layer_a_level():
    generator = Generator(4, 4).eval()
    layers = generator.record_attention()
    generator(*inputs())
    assert sorted(layers) == ["decoder 1", "decoder 2", "decoder 3", "encoder 2", "encoder 3", "encoder 4"]
    assert layers["decoder 1"].attention.shape == (2, 16, 16, 256)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Generator(4, 1), "levels must be at least 2, got 1"),
        (lambda: Generator(4, 3, "self"), "attention must be .*'self'"),
        (lambda: Generator(4, 3, reference="text"), "reference must be .*'text'"),
        (lambda: Generator(4, 3, keys="hues"), "keys must be .*'hues'"),
        (lambda: Generator(4, 3, "gate", keys="lines"), "need cross-attention to a reference image, got gate"),
        (lambda: Generator(4, 4)(*inputs(1, 24)), r"multiples of 16, got \(24, 24\)"),
        (lambda: Generator(4, 4)(*inputs()[:2]), "attends to a reference image"),
        (
            lambda: Generator(4, 4)(*inputs(1)[:2], torch.rand(1, 3, 32, 24)),
            r"^the reference's height and width must be multiples of 16, got \(32, 24\)$",
        ),
    ],
)
def test_bad_input_gets_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_discriminator_map_is_30_by_30_and_sees_70_pixels():
    discriminator = PatchDiscriminator(33, 4).eval()
    x = torch.randn(1, 33, 256, 256, requires_grad=True)
    out = discriminator(x)
    assert out.shape == (1, 1, 30, 30)
    out[0, 0, 15, 15].backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert len(rows) == 70 and rows[-1] - rows[0] == 69


@pytest.mark.parametrize("size", [(24, 24), (33, 33), (35, 24), (32, 37), (64, 40)])
def test_discriminator_gives_the_same_logits_with_the_palette_apart(size):
    discriminator = PatchDiscriminator(33, 4).double().eval()
    line, palette, picture = torch.rand(2, 3, *size), torch.rand(2, 9, 3), torch.rand(2, 3, *size)
    line, palette, picture = (t.double() * 2 - 1 for t in (line, palette, picture))
    planes = palette_planes(palette, *size)
    whole = discriminator(torch.cat([line, planes, picture], 1))
    assert whole.shape == (2, 1, size[0] // 8 - 2, size[1] // 8 - 2)
    torch.testing.assert_close(discriminator(torch.cat([line, picture], 1), palette), whole)


def test_discriminator_layers_have_spectral_norm_one():
    discriminator = PatchDiscriminator(33, 4)
    for _ in range(50):  # a power iteration a forward pass
        discriminator(torch.randn(1, 33, 32, 32))
    for layer in discriminator.layers[::2]:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-2)
