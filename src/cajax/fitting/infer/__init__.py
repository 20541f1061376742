"""How sure one can be: posteriors, spectra, accepted models, and whether their intervals can be trusted."""

from .accepted import Accepted as Accepted
from .accepted import accepted as accepted
from .calibrate import Calibration as Calibration
from .calibrate import calibrate as calibrate
from .degeneracy import Degeneracy as Degeneracy
from .draws import Posterior as Posterior
from .flow import estimate as estimate
from .front import posterior as posterior
from .predict import Predictive as Predictive
from .spectrum import Spectrum as Spectrum
from .spectrum import spectrum as spectrum
