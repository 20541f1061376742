"""Analysis: taking a trained model apart. What needs classes takes a `Job[Classified]`, the rest any job."""

from .attack import Attack as Attack
from .attack import attack as attack
from .classified import inside_classified as inside_classified
from .energy import Energy as Energy
from .energy import energy as energy
from .held import Held as Held
from .held import held_by as held_by
from .inside import inside as inside
from .lesions import cut_off as cut_off
from .lesions import lesions as lesions
from .lesions import silenced as silenced
from .resets import resets as resets
