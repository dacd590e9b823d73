"""A network whose answers are known."""

import torch
from torch import nn


class StandIn(nn.Module):
    """A generator that answers with a function of what it is shown, and remembers it; it takes no noise."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.where = answer, nn.Parameter(torch.zeros(1))

    def forward(self, line, palette, reference, noise=None):
        assert noise is None and not torch.is_grad_enabled()
        self.shown = line, palette, reference
        return self.answer(line, palette, reference)
