"""The command line: `cajax train`, `report`, `runs`, `units`, `info`."""

from .commands import main as main
