"""The losses against numbers worked out by hand."""

import pytest
import torch

from lineart import losses


def ramp(n=1, height=5, width=7, slope=0.1):
    """Brightens by `slope` a pixel from left to right."""
    return (torch.arange(width) * slope).expand(n, 3, height, width).clone()


# --- Eq. 2 ---


def test_l1_is_the_mean_absolute_difference():
    fake = torch.tensor([[-1.0, 0.5], [0.0, 1.0]]).expand(2, 3, 2, 2)
    color = torch.tensor([[1.0, 0.5], [0.25, 0.5]]).expand(2, 3, 2, 2)
    assert losses.l1_loss(fake, color).item() == pytest.approx((2 + 0 + 0.25 + 0.5) / 4)


# --- Eq. 4 ---


def test_a_rare_colour_counts_as_much_as_its_even_share_and_rims_count_once():
    color = torch.full((1, 3, 8, 8), -1.0)
    color[:, :, :, 5:] = 1.0  # 5 columns of black, 3 of white: 32 and 16 pixels are off the rim
    color[:, 0, :3, :3] = 0.0  # a corner of red, of which 2 x 2 pixels lie off its rim
    weight = losses.color_weights(color, most=50)[0, 0]
    black, white, red = 8 * 4 - 4 * 4, 8 * 2, 4
    even = (black + white + red) / 3
    assert weight[0, 0].item() == pytest.approx(even / red)
    assert weight[7, 0].item() == weight[0, 7].item() == 1  # more than the even share
    assert weight[2, 2].item() == weight[3, 3].item() == 1  # rims
    assert losses.color_weights(color, most=1.5).max().item() == 1.5
    fake = color.clone()
    fake[0, 0, 0, 0] += 0.5
    assert losses.balanced_l1_loss(fake, color, 50).item() == pytest.approx(0.5 * even / red / color.numel())
    assert losses.l1_loss(fake, color).item() == pytest.approx(0.5 / color.numel())


def test_tv_of_a_ramp_is_its_slope():
    # Each row has 6 steps of 0.1 among its 7 pixels, nothing changes from row to row.
    assert losses.total_variation(ramp()).item() == pytest.approx(6 * 0.1 / 7)


def test_tv_treats_rows_and_columns_alike_and_pictures_as_their_mean():
    image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    tv = losses.total_variation(image)
    torch.testing.assert_close(losses.total_variation(image.transpose(2, 3)), tv)
    both = losses.total_variation(torch.cat([image, torch.zeros_like(image)]))
    torch.testing.assert_close(both, tv / 2)


# --- Eq. 3 ---


def test_feature_matching_on_made_up_features():
    fake = {"a": torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1), "b": torch.zeros(1, 2, 3, 3)}
    color = {"a": torch.tensor([1.0, 0.0, 3.0, 1.0]).reshape(1, 4, 1, 1), "b": torch.full((1, 2, 3, 3), 0.5)}
    # (0 + 4 + 0 + 9) / 4 for "a" and 0.25 for "b": a sum over layers, each over its own number of values
    assert losses.feature_matching(fake, color).item() == pytest.approx(13 / 4 + 0.25)
    assert losses.feature_matching(color, color).item() == 0


# --- Eq. 5 and 6 ---


def test_adversarial_loss_is_eq_5():
    logits = torch.tensor([-2.0, -0.5, 0.0, 1.5])
    probability = 1 / (1 + torch.exp(-logits))
    torch.testing.assert_close(losses.adversarial_loss(logits), -probability.log().mean())


def test_discriminator_loss_is_eq_6():
    real, fake = torch.tensor([0.3, -1.2, 2.0]), torch.tensor([-0.7, 0.9, 0.1])
    d_real, d_fake = 1 / (1 + torch.exp(-real)), 1 / (1 + torch.exp(-fake))
    by_hand = -(d_real.log() + (1 - d_fake).log()).mean()
    torch.testing.assert_close(losses.discriminator_loss(real, fake), by_hand)


@pytest.mark.parametrize("size", [50.0, 1000.0, 1e30])
def test_large_logits_stay_finite(size):
    logits = torch.tensor([-size, size], requires_grad=True)
    loss = losses.adversarial_loss(logits)
    loss.backward()
    assert loss.item() == pytest.approx(size / 2)  # -log sigmoid(-size) = size, the other is 0
    # The gradient is (sigmoid - 1) / n: full where the discriminator is sure of a fake, none where it is fooled.
    torch.testing.assert_close(logits.grad, torch.tensor([-0.5, 0.0]))
