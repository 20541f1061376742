"""What is done to a model in one run: clamps, currents, noise, spike trains, reward; and how to write your own."""

from .base import Electrode as Electrode
from .base import Input as Input
from .base import Teacher as Teacher
from .base import Trigger as Trigger
