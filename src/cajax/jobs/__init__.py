"""Jobs: training a model through its stages in a run folder, judged by a score, beside controls of equal size."""

from ..base.errors import Interrupted as Interrupted
from .classified import Classified as Classified
from .figure import Figure as Figure
from .folder import models as models
from .job import Batch as Batch
from .job import Job as Job
from .job import Stage as Stage
from .job import rng as rng
from .run import resume as resume
from .run import run as run
from .score import Judged as Judged
from .score import Readout as Readout
from .score import Score as Score
from .traces import Traces as Traces
