"""Formulas for a browser: LaTeX to MathML, which it draws and a screen reader speaks without a script."""

import re
from xml.etree import ElementTree

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

# Where TeX puts a thin space and MathML does not: log x, but log(x)
APPLY = "\u2061"  # of a function to what follows; nothing is to be seen of it
APPLIED, NO_BRACKET = f"<mo>{APPLY}</mo>", r"(?!\s*<mo[^>]*>[(\[])"
BEFORE_FUNCTION = re.compile(rf"(</(?:mn|mi|msub|msup|mrow|mfrac)>)(?=\s*<mi[^>]*>[a-zA-Z]{{2,}}</mi>\s*{APPLIED})")
BEHIND_FUNCTION = re.compile(rf"({APPLIED}){NO_BRACKET}")
BEHIND_LOGARITHM = re.compile(rf"(<msub>\s*<mi>log</mi>\s*<\w+>[^<]*</\w+>\s*</msub>){NO_BRACKET}")
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}
SIDES = {"(": "l", "[": "l", r"\{": "l", ")": "r", "]": "r", r"\}": "r"}


def mathml(tex: str, block: bool = False) -> str:
    r"""A formula in LaTeX as MathML. Raises docutils' MathError where it has a command that is not known.

    Docutils has to know a large bracket's side, `\bigl(` for `\big(`, takes the 12 of `\frac12` for one number,
    and puts the index of `\hat x_i` below the x.
    """
    tex = re.sub(r"\\([Bb]igg?)(\(|\)|\[|\]|\\\{|\\\})", lambda found: _sided(*found.groups()), tex)
    tex = re.sub(r"\\frac(\d)(\d)", r"\\frac{\1}{\2}", re.sub(r"\\[Bb]igg?(?=\\?\|)", "", tex))
    tex = re.sub(r"(\\(?:hat|bar|tilde|vec)) *(\w|\{[^{}]*\})(?=[_^])", r"{\1{\2}{}}", tex)
    text = tex2mathml(tex.strip(), as_block=block).replace("&ApplyFunction;", APPLY)
    for place in (BEFORE_FUNCTION, BEHIND_FUNCTION, BEHIND_LOGARITHM):
        text = place.sub(r'\1<mspace width="0.17em"/>', text)
    for node in ElementTree.fromstring(text).iter():
        name = node.tag.rpartition("}")[2]
        if len(node) != PARTS.get(name, len(node)):
            raise MathError(f"{name} must have {PARTS[name]} parts, got {len(node)}")
    return text


def _sided(size: str, bracket: str) -> str:
    return rf"\{size}{SIDES[bracket]}{bracket}"
