"""The check of the training step: each mistake is made in the lines of a student's step, and told for what it is."""

import pytest
import torch

from lineart.course import checks
from lineart.losses import adversarial_loss, discriminator_loss, l1_loss, total_variation

STEP = """
def step(generator, discriminator, optimizer_g, optimizer_d, line, palette, color):
    fake = generator(line, palette, color)
    pairs = torch.cat([torch.cat([line, color], 1), torch.cat([line, fake.detach()], 1)])
    real_logits, fake_logits = discriminator(pairs, torch.cat([palette, palette])).chunk(2)
    loss_d = discriminator_loss(real_logits, fake_logits)
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    judged = discriminator(torch.cat([line, fake], 1), palette)
    loss_g = 50 * l1_loss(fake, color) + adversarial_loss(judged)
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g
"""


@pytest.fixture
def said(capsys):
    def verdict(*changes):
        text, names = STEP, {"torch": torch, "total_variation": total_variation}
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        names |= {loss.__name__: loss for loss in (adversarial_loss, discriminator_loss, l1_loss)}
        exec(text, names)
        checks.training_step(names["step"])
        return capsys.readouterr().out

    return verdict


def test_the_step_itself_and_its_losses_as_plain_numbers_are_right(said):
    assert "training_step: right." in said()
    assert "training_step: right." in said(("return loss_d, loss_g", "return loss_d.item(), loss_g.item()"))
    frozen = (
        "discriminator.requires_grad_(False)\n    judged = ",
        "return",
        "discriminator.requires_grad_()\n    return",
    )
    assert "training_step: right." in said(("judged = ", frozen[0]), frozen[1:])


def test_fake_first_is_as_right_as_real_first(said):
    halves = "torch.cat([line, color], 1)", "torch.cat([line, fake.detach()], 1)"
    swapped = said(
        (f"[{halves[0]}, {halves[1]}]", f"[{halves[1]}, {halves[0]}]"),
        ("real_logits, fake_logits = discriminator", "fake_logits, real_logits = discriminator"),
    )
    assert "training_step: right." in swapped


PAINT, SEEN, JUDGED = "generator(line, palette, color)", "fake.detach()", "discriminator(torch.cat([line, fake], 1)"
BACK_D, BACK_G = "    loss_d.backward()\n", "    loss_g.backward()\n"
STEP_D, STEP_G = "    optimizer_d.step()\n", "    optimizer_g.step()\n"
WIPE_D, WIPE_G = "    optimizer_d.zero_grad()\n", "    optimizer_g.zero_grad()\n"
JUDGE = "    judged = discriminator(torch.cat([line, fake], 1), palette)\n"
LOSS_G = "    loss_g = 50 * l1_loss(fake, color) + adversarial_loss(judged)\n"
EARLY = JUDGE + LOSS_G + "    early = torch.autograd.grad(loss_g, [*generator.parameters()])\n"

WRONG = {
    "reference: drawing": ([(PAINT, "generator(line, palette, line)")], "wrong reference"),
    "reference: nothing": ([(PAINT, "generator(line, palette, torch.zeros_like(color))")], "wrong reference"),
    "reference: noise": ([(PAINT, "generator(line, palette, torch.randn_like(color))")], "wrong reference"),
    "drawing: truth": ([(PAINT, "generator(color, palette, color)")], "wrong drawing"),
    "no palette": ([(PAINT, "generator(line, 0 * palette, color)")], "wrong palette"),
    "painted again": ([("    judged", f"    fake = {PAINT}\n    judged")], "painted twice"),
    "painted again for the discriminator": (
        [("    pairs", f"    with torch.no_grad():\n        shown = {PAINT}\n    pairs"), (SEEN, "shown")],
        "painted twice",
    ),
    "kept graph": ([(SEEN, "fake"), ("loss_d.backward()", "loss_d.backward(retain_graph=True)")], "was not detached"),
    "not detached": ([(SEEN, "fake")], "was not detached"),
    "both backward passes first": ([(STEP_D, ""), (BACK_G, BACK_G + STEP_D)], "comes too early"),
    "old logits": ([("adversarial_loss(judged)", "adversarial_loss(fake_logits)")], "graph was used twice"),
    "wrong optimiser": ([(STEP_D, STEP_G)], "`optimizer_d.step()` had not been"),
    "optimisers exchanged": (
        [("optimizer_g.", "optimizer_x."), ("optimizer_d.", "optimizer_g."), ("optimizer_x.", "optimizer_d.")],
        "exchanged the two optimisers",
    ),
    "no step of d": ([(STEP_D, "")], "`optimizer_d.step()` had not been"),
    "no step of g": ([(STEP_G, "")], "`optimizer_g` made no step"),
    "two steps": ([(STEP_G, 2 * STEP_G)], "two steps"),
    "no backward of d": ([(BACK_D, "")], "`loss_d.backward()` is missing"),
    "no backward of g": ([(BACK_G, "")], "`loss_g.backward()` is missing"),
    "never wiped": ([(WIPE_D, ""), (WIPE_G, "")], "`zero_grad` is missing"),
    "d not wiped": ([(WIPE_D, "")], "left in it"),
    "g not wiped": ([(WIPE_G, "")], "optimizer_g.zero_grad"),
    "two calls": (
        [
            (
                "discriminator(pairs, torch.cat([palette, palette])).chunk(2)",
                "(discriminator(half, palette) for half in pairs.chunk(2))",
            )
        ],
        "two calls",
    ),
    "targets": ([("adversarial_loss(judged)", "torch.nn.functional.softplus(judged).mean()")], "targets are ones"),
    "judged before": ([(JUDGE, ""), (BACK_D, JUDGE + BACK_D)], "changed between"),
    "judged before, and kept": (
        [
            (JUDGE + LOSS_G, ""),
            (BACK_D, EARLY + BACK_D),
            (WIPE_G + BACK_G, "    for p, p.grad in zip(generator.parameters(), early):\n        pass\n"),
        ],
        "before its update",
    ),
    "wiped at the end": (
        [(WIPE_D, ""), (WIPE_G, ""), (STEP_G, STEP_G + WIPE_D + WIPE_G)],
        "comes too late, after the step",
    ),
    "wiped too late": ([(STEP_G, "    optimizer_g.zero_grad()\n" + STEP_G)], "`zero_grad()` stands between"),
    "no_grad": ([(f"fake = {PAINT}", f"with torch.no_grad():\n        fake = {PAINT}")], "`no_grad`"),
    "left in eval": ([(f"    fake = {PAINT}", f"    discriminator.eval()\n    fake = {PAINT}")], "in `eval()`"),
    "judges the truth": ([(JUDGED, "discriminator(torch.cat([line, color], 1)")], "judged the truth"),
    "judges a copy": ([(JUDGED, "discriminator(torch.cat([line, fake.detach()], 1)")], "detached picture"),
    "picture first": ([("[line, fake.detach()]", "[fake.detach(), line]")], "wrong pairs"),
    "palette of one": ([(", palette)\n", ", palette.flip(0))\n")], "wrong pairs"),
    "no adversarial": ([(" + adversarial_loss(judged)", "")], "adversarial loss is missing"),
    "sign": ([("+ adversarial", "- adversarial")], "sign of the adversarial"),
    "no factor": ([("50 * ", "")], "factor 50"),
    "l1 of the drawing": ([("l1_loss(fake, color)", "l1_loss(fake, line)")], "with the drawing"),
    "l1 of a copy": ([("l1_loss(fake, color)", "l1_loss(fake.detach(), color)")], "L1 loss took the detached"),
    "returns": ([("return loss_d, loss_g", "return loss_g, loss_d")], "exchanged: loss_d comes first"),
    "total variation": ([("50 * l1", "5e-4 * total_variation(fake) + 50 * l1")], "Loss_g of the first step"),
    "weight of the discriminator's loss": ([("loss_d = ", "loss_d = 0.5 * ")], "Loss_d of the first step"),
    "one loss": ([("return loss_d, loss_g", "return loss_g")], "must be the two losses"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_line_is_told(name, said):
    changes, words = WRONG[name]
    out = said(*changes)
    assert "not right yet" in out and words in out, out
