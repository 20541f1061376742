"""What a task is; see `cajax.jobs`."""

from ..jobs.job import Batch as Batch
from ..jobs.job import Stage as Stage
from ..jobs.job import Task as Task
from ..jobs.job import rng as rng
