"""What is recorded in a run: quantities as values, or by the text that means them."""

from .currents import CapacitiveCurrent as CapacitiveCurrent
from .currents import ChannelCurrent as ChannelCurrent
from .currents import ClampCurrent as ClampCurrent
from .currents import MembraneCurrent as MembraneCurrent
from .currents import SynapticCurrent as SynapticCurrent
from .parse import Probe as Probe
from .parse import parse as parse
from .quantities import ChannelState as ChannelState
from .quantities import Concentration as Concentration
from .quantities import PartQuantity as PartQuantity
from .quantities import Signal as Signal
from .quantities import Voltage as Voltage
from .recordable import Bound as Bound
from .recordable import Recordable as Recordable
from .spikes import SpikeTimes as SpikeTimes
from .spikes import SpikeTrain as SpikeTrain
