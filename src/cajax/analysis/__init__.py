"""Analysis: taking a trained network apart."""

from .attack import Attack as Attack
from .attack import attack as attack
from .energy import Energy as Energy
from .energy import energy as energy
from .held import Held as Held
from .held import held_by as held_by
from .inside import cut_off as cut_off
from .inside import inside as inside
from .inside import lesions as lesions
from .inside import resets as resets
from .inside import silenced as silenced
