"""Training: which parameters are free, what is lost, and the loop that moves the ones to reduce the other."""

from .bijections import Bijection as Bijection
from .bijections import bounded as bounded
from .bijections import positive as positive
from .bijections import unbounded as unbounded
from .check import check_gradient as check_gradient
from .check_table import GradientCheck as GradientCheck
from .features import features as features
from .fit import DivergedError as DivergedError
from .fit import Step as Step
from .fit import fit as fit
from .free import Free as Free
from .history import History as History
from .loss import accuracy as accuracy
from .loss import cross_entropy as cross_entropy
from .loss import mae as mae
from .loss import mse as mse
from .optimizers import scale_by_norm_power as scale_by_norm_power
from .parallel import split_mean as split_mean
from .store import data_hash as data_hash
from .store import new_run as new_run
from .store import record as record
from .store import write_json as write_json
