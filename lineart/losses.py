"""The losses of Eq. 1 to 6, each one number of pictures (N, 3, H, W) in [-1, 1]; and PSNR, which watches a training."""

import torch
import torch.nn.functional as F

PSNR_CEILING = 100.0  # dB; identical pictures count as this in a mean


def l1_loss(fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
    """Eq. 2 as a mean over all values, which the weight 50 is made for (the paper writes the norm)."""
    return F.l1_loss(fake, color)


def balanced_l1_loss(fake: torch.Tensor, color: torch.Tensor, most: float) -> torch.Tensor:
    """Eq. 2 with the pixels counted by `color_weights`, at most `most` times each: not the paper's."""
    return ((fake - color).abs() * color_weights(color, most)).mean()


def color_weights(color: torch.Tensor, most: float) -> torch.Tensor:
    """(N, 1, H, W): how often each pixel counts, so that no colour of a picture weighs less than their average.

    An iris of 50 pixels in 16,384 costs next to nothing when it stays white. So a colour that fills less than its even
    share of the picture counts more in proportion, at most `most` times; the others count once. Colours are told apart
    by 16 levels a channel; a pixel with another colour beside it is ink or rim, and counts once.
    """
    levels = ((color.float() + 1) * 8).clamp(0, 15).long()
    key = (256 * levels[:, 0] + 16 * levels[:, 1] + levels[:, 2])[:, None]  # (N, 1, H, W)
    around = F.pad(key.float(), (1, 1, 1, 1), mode="replicate")
    inside = (F.max_pool2d(around, 3, 1) == key) & (-F.max_pool2d(-around, 3, 1) == key)
    count = torch.zeros(len(key), 4096, device=key.device).scatter_add_(1, key.flatten(1), inside.flatten(1).float())
    even = count.sum(1, keepdim=True) / (count > 0).sum(1, keepdim=True).clamp_min(1)
    weight = (even / count.clamp_min(1)).clamp(1, most).gather(1, key.flatten(1)).view_as(key)
    return torch.where(inside, weight, 1.0)


def total_variation(image: torch.Tensor) -> torch.Tensor:
    """Eq. 4, absolute differences of neighbours, divided by the number of values (N 3 H W).

    Two departures, for one reason: as a plain sum with weight 5e-4 a thin line costs more than it gains in Eq. 2, and
    training erases the drawing. So the sum becomes a mean, as in Eq. 2, and the second lambda_tv inside Eq. 4 goes.
    """
    vertical = (image[:, :, 1:] - image[:, :, :-1]).abs().sum()
    horizontal = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().sum()
    return (vertical + horizontal) / image.numel()


def feature_matching(features_fake: dict[str, torch.Tensor], features_color: dict[str, torch.Tensor]) -> torch.Tensor:
    """Eq. 3: squared differences of the features, over the N_layer values of each layer, summed over the layers."""
    return sum(F.mse_loss(features_fake[layer], features_color[layer]) for layer in features_color)


def adversarial_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """Eq. 5, -log D(G(x)), mean over the patches; on logits, since log(sigmoid(x)) overflows for large -x."""
    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


def discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Eq. 6, -log D(y) - log(1 - D(G(x))), mean over the patches; 2 log 2 = 1.386 for a discriminator that guesses."""
    real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return real + fake


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB, Eq. 7 and 8 with MAX = 255; the error is averaged over the channels, too.

    uint8 (N, 3, H, W) twice -> (N,) float64; infinite for identical pictures (see `mean_psnr`).
    """
    mse = torch.stack([(x.double() - y.double()).square().mean() for x, y in zip(a, b, strict=True)])  # Eq. 8
    return 10 * torch.log10(255**2 / mse)  # Eq. 7


def mean_psnr(values: torch.Tensor) -> float:
    """Mean of the pictures' PSNR, where more than 100 dB counts as 100 dB.

    Otherwise one identical picture would make the mean of a whole set infinite. 100 dB is what a single step of one
    channel in an 8-bit picture of 226 x 226 amounts to, so the ceiling touches next to nothing else.
    """
    return float(values.double().clamp(max=PSNR_CEILING).mean())
