"""A picture that a student can change: with sliders in JupyterLab, and as it starts everywhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from lineart.course.plotting import on_page

if TYPE_CHECKING:
    from ipywidgets import Widget

Choice = str | tuple[Any, Sequence]


def control(draw: Callable[..., Figure], alt: str | Callable[..., str], **choices: Choice) -> None:
    """Show `draw(name=value, …)` for the values at the start and, in a live JupyterLab, sliders that draw it again.

    choices: for each argument of `draw` its name and either (start, options), a slider through the options, which must
    hold the start, or a colour "#rrggbb", a field to pick one. An underscore in a name is a space beside the slider.
    alt: what is to be seen; a name in braces stands for its value. Or a function that says it for any values.
    Drawing should take less than half a second.
    """
    from IPython.display import display, publish_display_data  # there in a notebook

    def picture(values: dict[str, Any]) -> dict[str, dict]:
        return on_page(draw(**values), alt(**values) if callable(alt) else alt.format(**values))

    start = {name: _start(choice) for name, choice in choices.items()}
    place = {"display_id": f"control-{os.urandom(8).hex()}"} if is_live() else {}
    publish_display_data(**picture(start), transient=place)
    if not place:
        return
    from ipywidgets import VBox

    sliders = {name: _slider(name, choice) for name, choice in choices.items()}

    def redraw(_: dict) -> None:
        values = {name: slider.value for name, slider in sliders.items()}
        publish_display_data(**picture(values), transient=place, update=True)

    for slider in sliders.values():
        slider.observe(redraw, "value")
    display(VBox([*sliders.values()]))


def is_live() -> bool:
    """Is there a person who can move a slider? Papermill, nbval and nbconvert start a kernel themselves: there is none.

    A Jupyter server tells its kernels the notebook's name. LINEART_STATIC=1 asks for plain pictures there, too.
    """
    return bool(os.environ.get("JPY_SESSION_NAME")) and not os.environ.get("LINEART_STATIC")


def _start(choice: Choice) -> Any:
    if isinstance(choice, str):
        return choice
    start, options = choice
    assert start in options, f"{start!r} is not among {[*options]}"
    return start


def _slider(name: str, choice: Choice) -> Widget:
    from ipywidgets import ColorPicker, Layout, SelectionSlider

    looks = {"description": name.replace("_", " "), "style": {"description_width": "10em"}}
    if isinstance(choice, str):
        return ColorPicker(value=choice, **looks)
    start, options = choice
    layout = Layout(width="32em")
    # Only when the slider is let go, or a slow drawing would lag behind it
    return SelectionSlider(options=[*options], value=start, continuous_update=False, layout=layout, **looks)
