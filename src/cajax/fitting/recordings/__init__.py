"""Recordings: sweeps of voltage and current, and images of many sites, from the files of the field."""

from .errors import RecordingError as RecordingError
from .imaging import Imaging as Imaging
from .indicator import Indicator as Indicator
from .read import read_recording as read_recording
from .read_imaging import read_imaging as read_imaging
from .recording import Recording as Recording
from .recording import Report as Report
from .sweep import Sweep as Sweep
