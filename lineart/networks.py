"""The generator (ResUNet of Figure 2) and the PatchGAN discriminator."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lineart import layers
from lineart.data.lines import lines_of
from lineart.layers import CrossAttention, MatchedAttention, NoiseInjection, PaletteBlock, ResidualBlock, SkipGate

CHOICES = {
    "attention": ("none", "gate", "cross"),
    "reference": ("image", "palette"),
    "keys": ("none", "colors", "lines"),
}
MULTIPLIERS = (1, 2, 4, 8, 8, 8, 8)  # channels of level i over those of level 1


def level_channels(width: int, levels: int) -> list[int]:
    """Channels of the levels 1 to `levels`; width 64: 64, 128, 256, 512, 512, 512, 512."""
    return [width * MULTIPLIERS[min(i, len(MULTIPLIERS) - 1)] for i in range(levels)]


class ReferenceEncoder(nn.Module):
    """Residual blocks over the reference picture: (N, 3, H, W) -> one map a level, level i (N, C_i, H/2^i, W/2^i)."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        sizes = zip([3, *channels], channels)
        self.blocks = nn.ModuleList(ResidualBlock(c_in, c_out, "down") for c_in, c_out in sizes)

    def forward(self, reference: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for block in self.blocks:
            reference = block(reference)
            maps.append(reference)
        return maps


class Generator(nn.Module):
    """Figure 2: residual encoder and decoder of `levels` levels; the three deepest of each attend to the reference.

    width: channels of level 1. levels: halvings of the picture, 7 at 256 px, so that the bottleneck is 2x2.
    attention: "cross" (the paper), "gate" (its public code: no reference enters) or "none".
    reference: where keys and values come from, "image" (the paper's text) or "palette" (its Figure 2).
    noise: noise injection at the bottleneck and at the skips of the two levels above it.
    keys: "none" (the paper), or what an encoder for matching alone sees of the reference beside the drawing, its
    "colors" or its "lines"; its maps steer the decoder's attention (`MatchedAttention`). fine_levels: so many finer
    levels of the decoder attend, too.
    Levels count from 1, the finest, as in Figure 2; level i has H/2^i x W/2^i positions. The decoder's block i gives
    level i, from level i + 1 and its skip; its last, block 0, gives the picture's own size.
    """

    def __init__(
        self,
        width: int = 64,
        levels: int = 7,
        attention: str = "cross",
        reference: str = "image",
        noise: bool = True,
        k: int = 9,
        keys: str = "none",
        fine_levels: int = 0,
    ) -> None:
        super().__init__()
        if levels < 2:
            raise ValueError(f"levels must be at least 2, got {levels}")
        for name, value in (("attention", attention), ("reference", reference), ("keys", keys)):
            if value not in CHOICES[name]:
                raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}, got {value!r}")
        if keys != "none" and (attention, reference) != ("cross", "image"):
            raise ValueError(f"keys {keys!r} need cross-attention to a reference image, got {attention}, {reference}")
        self.levels, self.attention, self.reference, self.k, self.keys = levels, attention, reference, k, keys
        c = [0, *level_channels(width, levels)]  # c[i]: channels of level i
        self.encoder = nn.ModuleList([PaletteBlock(3 + 3 * k, c[1], "down")])
        self.encoder.extend(ResidualBlock(c[i - 1], c[i], "down") for i in range(2, levels + 1))
        self.decoder = nn.ModuleDict()
        for i in reversed(range(levels)):
            skip = c[i + 1] if i + 1 < levels else 0  # the bottleneck has no skip beside it
            self.decoder[str(i)] = ResidualBlock(c[i + 1] + skip, c[max(i, 1)], "up")
        self.to_rgb = nn.Conv2d(c[1], 3, 3, padding=1)
        if attention == "cross":
            self.add_attention(c, fine_levels)
        if attention == "gate":
            self.gates = nn.ModuleDict({str(i): SkipGate(c[i], c[i]) for i in range(1, levels)})
        noisy = [i for i in (levels, levels - 1, levels - 2) if i >= 1] if noise else []
        self.noise = nn.ModuleDict({str(i): NoiseInjection(c[i]) for i in noisy})

    def add_attention(self, c: list[int], fine_levels: int) -> None:
        """Cross-attention of the three deepest levels each way, and what it looks at; c[i]: channels of level i."""
        levels = self.levels
        deep = range(max(1, levels - 2), levels + 1)  # 5, 6, 7 of 7: encoder levels that attend
        up_deep = range(levels - 1, max(0, levels - 4 - fine_levels), -1)  # 6, 5, 4 of 7: decoder levels
        if self.reference == "image":
            self.reference_encoder = ReferenceEncoder(c[1:])
            tokens = c
        else:
            self.embed_color = nn.Sequential(nn.Linear(3, c[levels]), nn.LeakyReLU(0.2))
            tokens = [c[levels]] * (levels + 1)
        self.encoder_attention = nn.ModuleDict({str(i): CrossAttention(c[i], tokens[i]) for i in deep})
        layer = CrossAttention if self.keys == "none" else MatchedAttention
        self.decoder_attention = nn.ModuleDict({str(i): layer(c[i], tokens[i]) for i in up_deep})
        if self.keys != "none":
            self.matching_encoder = ReferenceEncoder(c[1:levels])  # the decoder attends at level `levels` - 1 and finer

    def tokens(self, palette: torch.Tensor, reference: torch.Tensor | None) -> list[torch.Tensor] | None:
        """What the attention of level i + 1 looks at, (N, T, C_i) each: positions of the reference, or nine colours."""
        if self.attention != "cross":
            return None
        if self.reference == "palette":
            return [self.embed_color(palette)] * self.levels  # (N, k, C)
        if reference is None:
            raise ValueError("this generator attends to a reference image: give (N, 3, H, W), got None")
        self.check_size("the reference's height and width", reference)
        return [layers.positions(m) for m in self.reference_encoder(reference)]  # (N, H_i W_i, C_i)

    def matches(self, line: torch.Tensor, reference: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """The matching encoder's maps of level i + 1, of the drawing and of the reference, (N, C_i, H_i, W_i) each."""
        if self.keys == "none":
            return None
        seen = lines_of(reference) if self.keys == "lines" else reference
        return list(zip(self.matching_encoder(line), self.matching_encoder(seen)))

    def forward(
        self,
        line: torch.Tensor,
        palette: torch.Tensor,
        reference: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """line (N, 3, H, W), palette (N, k, 3), reference (N, 3, H', W') or None, all in [-1, 1] -> (N, 3, H, W).

        H and W must be multiples of 2^levels, and so must H' and W' where the reference is attended to. `generator`
        draws the noise; without it `eval()` is deterministic.
        """
        self.check_size("height and width", line)
        tokens = self.tokens(palette, reference)
        skips = self.encode(line, palette, tokens)
        return self.decode(skips, tokens, self.matches(line, reference), generator)

    def check_size(self, what: str, picture: torch.Tensor) -> None:
        multiple = 2**self.levels
        if picture.shape[2] % multiple or picture.shape[3] % multiple:
            raise ValueError(f"{what} must be multiples of {multiple}, got {tuple(picture.shape[2:])}")

    def encode(self, line, palette, tokens) -> list[torch.Tensor]:
        """The maps of levels 1 to `levels`: level i (N, C_i, H/2^i, W/2^i)."""
        maps = []
        for i, block in enumerate(self.encoder, start=1):
            x = block(line, layers.palette_planes(palette, 1, 1)) if i == 1 else block(maps[-1])
            if tokens is not None and str(i) in self.encoder_attention:
                x = self.encoder_attention[str(i)](x, tokens[i - 1])
            maps.append(x)
        return maps

    def decode(self, skips, tokens, matches, generator) -> torch.Tensor:
        x = self.add_noise(skips[-1], self.levels, generator)  # the bottleneck
        for i in reversed(range(self.levels)):
            x = self.decoder[str(i)](x)  # level i: (N, C_i, H/2^i, W/2^i)
            if tokens is not None and str(i) in self.decoder_attention:
                match = matches[i - 1] if matches else ()
                x = self.decoder_attention[str(i)](x, tokens[i - 1], *match)
            if i > 0:
                skip = self.add_noise(skips[i - 1], i, generator)
                if self.attention == "gate":
                    skip = self.gates[str(i)](skip, x)
                x = torch.cat([x, skip], dim=1)  # (N, 2 C_i, H/2^i, W/2^i)
        return torch.tanh(self.to_rgb(x))  # (N, 3, H, W)

    def add_noise(self, x: torch.Tensor, level: int, generator: torch.Generator | None) -> torch.Tensor:
        return self.noise[str(level)](x, generator) if str(level) in self.noise else x

    def record_attention(self, on: bool = True) -> dict[str, CrossAttention]:
        """Keep the attention of the next forward passes; returns the layers, "encoder 5" ... "decoder 4", by name."""
        if self.attention != "cross":
            return {}
        found = {f"encoder {i}": layer for i, layer in self.encoder_attention.items()}
        found |= {f"decoder {i}": layer for i, layer in self.decoder_attention.items()}
        for layer in found.values():
            layer.record = on
        return found


class PatchDiscriminator(nn.Module):
    """PatchGAN (section 3.2): five spectrally normalised convolutions, one logit a patch; 256 px give a 30x30 map.

    x (N, in_channels, H, W) -> (N, 1, H/8 - 2, W/8 - 2), H/8 and W/8 rounded down. The input is conditional: the
    generator's 30 planes and the picture's 3. With `palette` (N, k, 3) its planes are left out of x, which then is line
    and picture (N, 6, H, W): the same logits, at any size, without a convolution of constant planes. The first three
    layers halve the size each ("factor of 6" in the paper is 2^3 = 8), the last two lose one position each:
    256 -> 128 -> 64 -> 32 -> 31 -> 30.
    """

    def __init__(self, in_channels: int = 33, width: int = 64) -> None:
        super().__init__()
        channels = (in_channels, width, 2 * width, 4 * width, 8 * width, 1)
        stack: list[nn.Module] = []
        for i in range(5):
            conv = nn.Conv2d(channels[i], channels[i + 1], 4, stride=2 if i < 3 else 1, padding=1)
            stack += [spectral_norm(conv), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*stack[:-1])  # logits: no activation after the last

    def forward(self, x: torch.Tensor, palette: torch.Tensor | None = None) -> torch.Tensor:
        if palette is None:
            return self.layers(x)
        first, *rest = self.layers
        values = layers.palette_planes(palette, 1, 1)
        weight = first.weight  # read once: each reading is a power iteration
        planes = values.shape[1]  # they stand between the line's three and the picture's
        of_x = torch.cat([weight[:, :3], weight[:, 3 + planes :]], dim=1)
        h = F.conv2d(x, of_x, first.bias, stride=2, padding=1)  # (N, width, H/2, W/2)
        h = h + layers.conv_of_constants(values, weight[:, 3 : 3 + planes], *x.shape[2:])
        for layer in rest:
            h = layer(h)
        return h


def count_parameters(module: nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
