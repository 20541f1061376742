"""Recipes: a published kind of model for any morphology, with the parameters that are fitted and their bounds."""

from .allen_perisomatic import allen_perisomatic as allen_perisomatic
from .hay import hay as hay
from .hh import hh as hh
from .passive import passive as passive
from .recipe import Recipe as Recipe
