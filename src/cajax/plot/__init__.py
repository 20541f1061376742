"""Pictures of cells, traces and training; Matplotlib is imported only when one is drawn."""

from .cell import draw_cell as draw_cell
from .figures import confusion as confusion
from .figures import curves as curves
from .figures import digits as digits
from .figures import save as save
from .figures import subplots as subplots
from .figures import traces as traces
