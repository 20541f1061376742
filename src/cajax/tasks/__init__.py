"""Tasks: complete training jobs on networks of biophysical neurons, each a command, a class and a page."""

from ..jobs import models as models
from ..jobs import run as run
from .calcium import Calcium as Calcium
from .catalogue import TASKS as TASKS
from .catalogue import require_task as require_task
from .catalogue import resume as resume
from .catalogue import task_of as task_of
from .dendrite import Dendrite as Dendrite
from .digits import Digits as Digits
from .evidence import Evidence as Evidence
from .match import Match as Match
from .mnist import Mnist as Mnist
from .recall import Recall as Recall
from .task import Batch as Batch
from .task import Stage as Stage
from .task import Task as Task
from .task import rng as rng
from .voltage import Voltage as Voltage
