"""What a run has shown: one self-contained HTML page per run, and tables that list and compare runs."""

from .compare import compare as compare
from .folder import Run as Run
from .folder import read_run as read_run
from .page import report as report
from .runs import runs_table as runs_table
