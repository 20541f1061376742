"""Linear algebra: trees of control volumes and the direct, differentiable solve on them; knows no neurons."""

from .adjoint import Adjoint as Adjoint
from .adjoint import Checkpointed as Checkpointed
from .adjoint import Direct as Direct
from .adjoint import Nested as Nested
from .adjoint import Schedule as Schedule
from .backend import BACKENDS as BACKENDS
from .due import due as due
from .linear import matvec as matvec
from .linear import solve as solve
from .loop import loop as loop
from .sites import Index as Index
from .sites import spread as spread
from .sites import take as take
from .sparse import Graph as Graph
from .sparse import product as product
from .tree import Forest as Forest
from .tree import Tree as Tree
from .tree import as_forest as as_forest
from .tree import cv_slices as cv_slices
from .tree import edge_slices as edge_slices
from .tree import n_edges as n_edges
from .tree import n_entries as n_entries
from .truncated import Truncated as Truncated
