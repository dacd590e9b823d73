"""The page's helper: shown source."""

from lineart.course.notebook import source
from lineart.layers import WSConv2d


def test_source_is_the_code_itself():
    text = source(WSConv2d).data
    assert text.startswith("```python\nclass WSConv2d(nn.Conv2d):") and "def forward" in text and text.endswith("```")
