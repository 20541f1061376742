"""Pictures of cells, traces and training; Matplotlib is imported only when one is drawn."""

from .cell import draw_cell as draw_cell
from .figures import bare as bare
from .figures import bars as bars
from .figures import brief as brief
from .figures import confusion as confusion
from .figures import curves as curves
from .figures import digits as digits
from .figures import heat as heat
from .figures import logarithmic as logarithmic
from .figures import raster as raster
from .figures import save as save
from .figures import shade as shade
from .figures import subplots as subplots
from .figures import thinned as thinned
from .figures import traces as traces
from .theme import diverging as diverging
from .theme import heat_map as heat_map
from .theme import ink as ink
from .theme import svg as svg
from .theme import theme as theme
