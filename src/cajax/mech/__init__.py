"""Ion channels and synapses: what flows through a membrane, and how to write your own."""

from .._types import Param as Param
from .base import Channel as Channel
from .base import Mechanism as Mechanism
from .base import Synapse as Synapse
from .gating import Q10 as Q10
from .gating import Gate as Gate
from .gating import vtrap as vtrap
from .hh import HH as HH
from .leak import Leak as Leak
from .params import ParamSpec as ParamSpec
from .params import check_value as check_value
from .params import param as param
from .pospischil2008 import CaL as CaL
from .pospischil2008 import CaT as CaT
from .pospischil2008 import Kd as Kd
from .pospischil2008 import Km as Km
from .pospischil2008 import Na as Na
from .synapses import Graded as Graded
