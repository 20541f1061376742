"""A study: from a morphology and a recording to judged models, with everything that a report shows in one folder."""

from .plan import Plan as Plan
from .plan import planned as planned
from .run import Study as Study
from .run import begun as begun
from .run import proceed as proceed
from .run import replanned as replanned
from .run import resume as resume
from .run import settings_of as settings_of
from .run import study as study
from .settings import Settings as Settings
