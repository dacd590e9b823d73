"""The blocks of the networks, each as small as its equation.

Shapes: N pictures, C channels, H x W positions; T tokens of the reference.
"""

import torch
import torch.nn.functional as F
from torch import nn


class WSConv2d(nn.Conv2d):
    """Convolution whose filters are standardised: mean 0, variance 1/fan_in (Qiao et al. 2019, the paper's [25]).

    (N, C_in, H, W) -> (N, C_out, H', W'). Variance 1/fan_in keeps the size of the activations; [25] writes variance 1
    and leaves the size to the normalisation that follows, which gives the same function up to its epsilon.
    """

    def standardized_weight(self) -> torch.Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        fan_in = weight[0].numel()
        # sum of squares = fan_in * variance; 1e-10 guards a filter of equal weights
        return weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-10 * fan_in)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.standardized_weight(), self.bias)


class GroupNorm(nn.GroupNorm):
    """Of bfloat16, which autocast makes, in float32: a CPU's own kernel for it is several times slower."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float() if x.dtype == torch.bfloat16 else x).to(x.dtype)


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm of at most 32 groups (Wu & He 2018) with at least 4 channels each."""
    groups = 32
    while groups > 1 and (channels % groups or channels // groups < 4):
        groups //= 2
    return GroupNorm(groups, channels)


class ResidualBlock(nn.Module):
    """Figure 3: two 3x3 convolutions with weight standardisation and GroupNorm, and a skip.

    (N, C_in, H, W) -> (N, C_out, H', W') with H' = H/2 for mode "down", 2H for "up", H for "same".
    Down: the first convolution has stride 2, the skip averages 2x2. Up: nearest neighbours, before everything else.
    Raises ValueError for "down" of an odd height or width, of which the two would make different sizes.
    """

    def __init__(self, in_channels: int, out_channels: int, mode: str = "same") -> None:
        super().__init__()
        if mode not in ("down", "up", "same"):
            raise ValueError(f"mode must be 'down', 'up' or 'same', got {mode!r}")
        self.mode = mode
        stride = 2 if mode == "down" else 1
        self.conv1 = WSConv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)  # GroupNorm has the bias
        self.norm1 = group_norm(out_channels)
        self.conv2 = WSConv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = group_norm(out_channels)
        self.skip = WSConv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mode == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")  # (N, C_in, 2H, 2W)
        if self.mode == "down":
            check_even(x)
        h = self.conv1(x)  # (N, C_out, H', W')
        x = F.avg_pool2d(x, 2) if self.mode == "down" else x  # (N, C_in, H', W')
        return self.merge(h, self.skip(x))

    def merge(self, h: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """What follows the first convolution: both (N, C_out, H', W')."""
        h = F.leaky_relu(self.norm1(h), 0.2)
        h = self.norm2(self.conv2(h))
        return F.leaky_relu(h + skip, 0.2)


class PaletteBlock(ResidualBlock):
    """The first block of the encoder: line planes and constant palette planes in, without paying for the constants.

    line (N, 3, H, W), palette (N, 3k, 1, 1) -> (N, C_out, H/2, W/2), the same function as `ResidualBlock` on the 3 + 3k
    planes. Raises ValueError for an odd height or width, as that does.
    """

    def forward(self, line: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
        check_even(line)
        weight = self.conv1.standardized_weight()
        h = F.conv2d(line, weight[:, :3], stride=2, padding=1)  # (N, C_out, H/2, W/2)
        h = h + conv_of_constants(palette, weight[:, 3:], *line.shape[2:])
        weight = self.skip.standardized_weight()
        skip = F.conv2d(F.avg_pool2d(line, 2), weight[:, :3], self.skip.bias)
        return self.merge(h, skip + F.conv2d(palette, weight[:, 3:]))


def conv_of_constants(values: torch.Tensor, weight: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Convolution of constant planes of height x width, values (N, C, 1, 1), with stride 2 and padding 1.

    weight (C_out, C, 3 or 4, 3 or 4) -> (N, C_out, H', W') as of the planes themselves. The result is constant, too,
    except in the first and the last row and column, where zeros are padded: planes of 6 (odd sizes: 7) a side show each
    of its values, and the second is then spread.
    """
    small = [min(size, 6 + size % 2) for size in (height, width)]
    x = F.conv2d(values.expand(-1, -1, *small), weight, stride=2, padding=1)  # (N, C_out, 3 or 4, 3 or 4) at most
    for dim, more in ((2, (height - small[0]) // 2), (3, (width - small[1]) // 2)):
        if more:
            first, middle, rest = x.split([1, 1, x.shape[dim] - 2], dim)
            shape = list(middle.shape)
            shape[dim] = 1 + more
            x = torch.cat([first, middle.expand(shape), rest], dim)
    return x


def check_even(x: torch.Tensor) -> None:
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(f"height and width must be even to be halved, got {tuple(x.shape[2:])}")


class CrossAttention(nn.Module):
    """Output = Norm(X + Attention(Q, K, V)), section 3.1: each position of the drawing asks the reference for colour.

    x (N, C, H, W) from the drawing, tokens (N, T, C_ref) from the reference -> (N, C, H, W).
    Q = W_Q X, K = W_K R, V = W_V R, softmax(Q K^T / sqrt(d_k)) V; "projected back into the feature space" is W_O.
    With `record` set, a forward pass leaves its attention (N, H, W, T) in `attention`, each row of T summing to 1.
    """

    def __init__(self, channels: int, reference_channels: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(reference_channels, channels, bias=False)
        self.to_v = nn.Linear(reference_channels, channels, bias=False)
        self.to_out = nn.Linear(channels, channels, bias=False)
        self.norm = group_norm(channels)
        self.record = False
        self.attention: torch.Tensor | None = None

    def forward(self, x: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return self.attend(x, self.queries(x), self.to_k(tokens), self.to_v(tokens))

    def queries(self, x: torch.Tensor) -> torch.Tensor:
        return self.to_q(positions(x))  # (N, HW, C)

    def attend(self, x: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """x (N, C, H, W), q (N, HW, C), k and v (N, T, C) -> (N, C, H, W)."""
        if self.record:  # what is shown is what was used
            weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)  # (N, HW, T)
            self.attention = weights.detach().unflatten(1, x.shape[2:])
            out = weights @ v  # (N, HW, C)
        else:
            out = F.scaled_dot_product_attention(q, k, v)  # (N, HW, C)
        out = self.to_out(out).transpose(1, 2).unflatten(2, x.shape[2:])  # (N, C, H, W)
        return self.norm(x + out)


class MatchedAttention(CrossAttention):
    """Cross-attention that matches apart from colour: Q = W_Q X + W_Q' M, K = W_K R + W_K' M_R, V = W_V R.

    M (N, C, H, W) of the drawing and M_R (N, C, H_R, W_R) of the reference come from one encoder that sees both, so
    what asks and what answers is described in the same words; the colour features alone give the values.
    """

    def __init__(self, channels: int, reference_channels: int) -> None:
        super().__init__(channels, reference_channels)
        self.match_q = nn.Linear(channels, channels, bias=False)
        self.match_k = nn.Linear(channels, channels, bias=False)

    def forward(
        self, x: torch.Tensor, tokens: torch.Tensor, match: torch.Tensor, reference_match: torch.Tensor
    ) -> torch.Tensor:
        q = self.queries(x) + self.match_q(positions(match))  # (N, HW, C)
        k = self.to_k(tokens) + self.match_k(positions(reference_match))  # (N, T, C)
        return self.attend(x, q, k, self.to_v(tokens))


def positions(x: torch.Tensor) -> torch.Tensor:
    """A map as tokens, one a position: (N, C, H, W) -> (N, HW, C)."""
    return x.flatten(2).transpose(1, 2)


class SkipGate(nn.Module):
    """The additive gate of the authors' public code (Attention U-Net, Oktay et al. 2018): no reference enters it.

    skip (N, C, H, W) from the encoder, gate (N, C_gate, H, W) from the decoder -> the skip, scaled by a map in (0, 1).
    """

    def __init__(self, channels: int, gate_channels: int) -> None:
        super().__init__()
        middle = max(channels // 2, 4)
        self.from_skip = nn.Sequential(WSConv2d(channels, middle, 1), group_norm(middle))
        self.from_gate = nn.Sequential(WSConv2d(gate_channels, middle, 1), group_norm(middle))
        self.to_map = nn.Conv2d(middle, 1, 1)

    def forward(self, skip: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        joint = F.relu(self.from_skip(skip) + self.from_gate(gate))  # (N, middle, H, W)
        return skip * torch.sigmoid(self.to_map(joint))  # (N, 1, H, W) over all channels


class NoiseInjection(nn.Module):
    """Adds one plane of normal noise, scaled per channel by trained weights (Karras et al. 2019, the paper's [26]).

    (N, C, H, W) -> (N, C, H, W). The scales start at 0, so that the untrained block is the identity. With no
    `generator` in training the global one is drawn from; in `eval()` there is noise only where a generator is given.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        if not self.training and generator is None:
            return x
        n, _, h, w = x.shape
        noise = torch.randn(n, 1, h, w, generator=generator, dtype=x.dtype, device=x.device)
        return x + self.scale * noise


def palette_planes(palette: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The palette as constant planes: (N, k, 3) tensor -> (N, 3k, height, width), colour after colour."""
    n, k, channels = palette.shape
    return palette.reshape(n, k * channels, 1, 1).expand(-1, -1, height, width)
