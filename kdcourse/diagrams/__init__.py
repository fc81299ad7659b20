"""Concept diagrams: what is given to whom, drawn before any formula, each for the first meeting with one idea.

All have one size and one style: blue is the teacher, vermilion the student, grey the data. The little images
come out of Fashion-MNIST (``tools/build_diagrams.py``), and every number that is not called an example is computed.
"""

from kdcourse.diagrams._answers import answers
from kdcourse.diagrams._bugs import bugs
from kdcourse.diagrams._channel import channel
from kdcourse.diagrams._course import course
from kdcourse.diagrams._directions import directions
from kdcourse.diagrams._distillation import distillation
from kdcourse.diagrams._drift import drift
from kdcourse.diagrams._four_steps import four_steps
from kdcourse.diagrams._frameworks import frameworks
from kdcourse.diagrams._gate import gate
from kdcourse.diagrams._gauges import gauges
from kdcourse.diagrams._inversion import inversion
from kdcourse.diagrams._leak import leak
from kdcourse.diagrams._looks import looks
from kdcourse.diagrams._missing_class import missing_class
from kdcourse.diagrams._mistakes import mistakes
from kdcourse.diagrams._nested_subspaces import nested_subspaces
from kdcourse.diagrams._parts import parts
from kdcourse.diagrams._relations import relations
from kdcourse.diagrams._rounds import rounds
from kdcourse.diagrams._shared_teacher import shared_teacher
from kdcourse.diagrams._shift import shift
from kdcourse.diagrams._simplex import simplex
from kdcourse.diagrams._sources import sources
from kdcourse.diagrams._spread_points import spread_points
from kdcourse.diagrams._taps import taps
from kdcourse.diagrams._temperature import temperature
from kdcourse.diagrams._two_heads import two_heads
from kdcourse.diagrams._whose_words import whose_words

__all__ = [
    "answers", "bugs", "channel", "course", "directions", "distillation", "drift", "four_steps", "frameworks", "gate",
    "gauges", "inversion", "leak", "looks", "missing_class", "mistakes", "nested_subspaces", "parts", "relations",
    "rounds", "shared_teacher", "shift", "simplex", "sources", "spread_points", "taps", "temperature", "two_heads",
    "whose_words",
]  # fmt: skip
