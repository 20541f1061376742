"""Linear algebra: trees of control volumes and the direct, differentiable solve on them; knows no neurons."""

from cajax.solve.due import due as due
from cajax.solve.linear import BACKENDS as BACKENDS
from cajax.solve.linear import matvec as matvec
from cajax.solve.linear import solve as solve
from cajax.solve.loop import Adjoint as Adjoint
from cajax.solve.loop import Checkpointed as Checkpointed
from cajax.solve.loop import Direct as Direct
from cajax.solve.loop import loop as loop
from cajax.solve.sites import Index as Index
from cajax.solve.sites import spread as spread
from cajax.solve.sites import take as take
from cajax.solve.sparse import Graph as Graph
from cajax.solve.sparse import product as product
from cajax.solve.tree import Forest as Forest
from cajax.solve.tree import Tree as Tree
from cajax.solve.tree import as_forest as as_forest
from cajax.solve.tree import cv_slices as cv_slices
from cajax.solve.tree import edge_slices as edge_slices
from cajax.solve.tree import n_edges as n_edges
from cajax.solve.tree import n_entries as n_entries
