"""Ion channels and synapses: what flows through a membrane, and how to write your own."""

import importlib
import sys
from types import ModuleType
from typing import Any, final

from ..base.types import Param as Param
from .base import Channel as Channel
from .base import Mechanism as Mechanism
from .base import Outline as Outline
from .base import Synapse as Synapse
from .coupled import Coupled as Coupled
from .events import EventSynapse as EventSynapse
from .gating import Q10 as Q10
from .gating import Gate as Gate
from .gating import vtrap as vtrap
from .implicit import implicit_step as implicit_step
from .instant import Instant as Instant
from .ion import Ion as Ion
from .ions import Diffusive as Diffusive
from .ions import Fixed as Fixed
from .ions import Held as Held
from .ions import Pool as Pool
from .ions import Pump as Pump
from .ions import Reversal as Reversal
from .ions import Shells as Shells
from .kinetics import Kinetics as Kinetics
from .kinetics import States as States
from .kinetics import advanced as advanced
from .kinetics import initial_states as initial_states
from .kinetics import instant_states as instant_states
from .library.hh import HH as HH
from .library.leak import Leak as Leak
from .library.pospischil2008 import CaL as CaL
from .library.pospischil2008 import CaT as CaT
from .library.pospischil2008 import Kd as Kd
from .library.pospischil2008 import Km as Km
from .library.pospischil2008 import Na as Na
from .params import ParamSpec as ParamSpec
from .params import check_value as check_value
from .params import param as param
from .plasticity import STDP as STDP
from .plasticity import Plasticity as Plasticity
from .plasticity import RewardSTDP as RewardSTDP
from .plasticity import TripletSTDP as TripletSTDP
from .point import LIF as LIF
from .point import AdEx as AdEx
from .point import Izhikevich as Izhikevich
from .point import PointNeuron as PointNeuron
from .ports import reading as reading
from .potentials import FARADAY as FARADAY
from .potentials import ghk as ghk
from .potentials import ghk_voltage as ghk_voltage
from .potentials import nernst as nernst
from .scheme import Scheme as Scheme
from .surrogates import ArcTan as ArcTan
from .surrogates import FastSigmoid as FastSigmoid
from .surrogates import Gaussian as Gaussian
from .surrogates import Surrogate as Surrogate
from .surrogates import Triangle as Triangle
from .synapses import AMPA as AMPA
from .synapses import GABAA as GABAA
from .synapses import GABAB as GABAB
from .synapses import NMDA as NMDA
from .synapses import Alpha as Alpha
from .synapses import Exp2Syn as Exp2Syn
from .synapses import ExpSyn as ExpSyn
from .synapses import GapJunction as GapJunction
from .synapses import Graded as Graded
from .synapses import Rate as Rate
from .synapses import ShortTerm as ShortTerm
from .timer import Timer as Timer

LIBRARY = (
    "allen",
    "fohlmeister1997",
    "hay2011",
    "mainen1996",
    "poirazi2003",
    "pospischil2008",
    "transporters",
    "traub",
    "wang1996",
)
"""The libraries, each a module `cajax.mech.<name>`."""


@final
class _Library(ModuleType):
    """Stands for a library until it is first used: all of them together take longer to define than all the rest.

    The short path, `cajax.mech.hay2011`, is the public one; where the files lie may change.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        return getattr(load_library(self.__name__.rpartition(".")[2]), name)


def load_library(name: str) -> ModuleType:
    """Return a library with its classes defined, whether or not anything has used it yet."""
    return importlib.import_module(f"{__name__}.library.{name}")


for _name in LIBRARY:
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _Library(f"{__name__}.{_name}")
