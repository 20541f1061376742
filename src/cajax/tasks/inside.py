"""The analyses of `cajax.analysis`, under the name that they have for tasks."""

from ..analysis import Attack as Attack
from ..analysis import Energy as Energy
from ..analysis import Held as Held
from ..analysis import attack as attack
from ..analysis import cut_off as cut_off
from ..analysis import energy as energy
from ..analysis import held_by as held_by
from ..analysis import inside as inside
from ..analysis import lesions as lesions
from ..analysis import resets as resets
from ..analysis import silenced as silenced
