"""All features by eFEL's names: unit, how each is computed, and whether there is one value or one for every spike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from ...base.types import Array
from . import shape, timing, voltage
from .trace import Trace


@final
@dataclass(frozen=True)
class Feature:
    """A feature: its `unit`, `compute` from a trace, and what it is read off.

    `of` is "spikes" for one value per spike, "spiking" for one value that depends on spikes, "voltage" for one that
    does not, "count" for one that stays right when there are more spikes than places for them.
    """

    unit: str
    of: str
    compute: Callable[[Trace], Array]

    @property
    def per_spike(self) -> bool:
        """Whether there is one value for every spike."""
        return self.of == "spikes"


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "last")

FEATURES: dict[str, Feature] = {
    "Spikecount": Feature("1", "count", timing.spike_count),
    "spike_count": Feature("1", "count", timing.spike_count),
    "Spikecount_stimint": Feature("1", "spiking", timing.spike_count_stimint),
    "spike_count_stimint": Feature("1", "spiking", timing.spike_count_stimint),
    "number_initial_spikes": Feature("1", "spiking", timing.number_initial_spikes),
    "mean_frequency": Feature("Hz", "spiking", timing.mean_frequency),
    "time_to_first_spike": Feature("ms", "spiking", timing.latency(0)),
    "time_to_second_spike": Feature("ms", "spiking", timing.latency(1)),
    "time_to_last_spike": Feature("ms", "spiking", timing.latency(-1)),
    "inv_time_to_first_spike": Feature("Hz", "spiking", timing.inv_time_to_first_spike),
    "peak_time": Feature("ms", "spikes", shape.peak_time),
    "all_ISI_values": Feature("ms", "spikes", timing.all_isi_values),
    "ISI_values": Feature("ms", "spikes", timing.isi_values),
    "inv_ISI_values": Feature("Hz", "spikes", timing.inv_isi_values),
    **{
        f"inv_{name}_ISI": Feature("Hz", "spiking", timing.inv_isi(-1 if name == "last" else rank))
        for rank, name in enumerate(_ORDINALS)
    },
    "doublet_ISI": Feature("ms", "spiking", timing.doublet_isi),
    "ISI_CV": Feature("1", "spiking", timing.isi_cv),
    "ISI_log_slope": Feature("1", "spiking", timing.isi_slope(of_log=True)),
    "ISI_semilog_slope": Feature("1", "spiking", timing.isi_slope(of_log=False)),
    "irregularity_index": Feature("ms", "spiking", timing.irregularity_index),
    "adaptation_index": Feature("1", "spiking", timing.adaptation(skip_share=True)),
    "adaptation_index2": Feature("1", "spiking", timing.adaptation(skip_share=False)),
    "single_burst_ratio": Feature("1", "spiking", timing.single_burst_ratio),
    "burst_number": Feature("1", "spiking", timing.burst_number),
    "peak_voltage": Feature("mV", "spikes", shape.peak_voltage),
    "AP_height": Feature("mV", "spikes", shape.peak_voltage),
    "AP1_peak": Feature("mV", "spiking", shape.peak_of_rank(0)),
    "AP2_peak": Feature("mV", "spiking", shape.peak_of_rank(1)),
    "AP_amplitude": Feature("mV", "spikes", shape.ap_amplitude),
    "AP1_amp": Feature("mV", "spiking", shape.amplitude_of_rank(0)),
    "AP2_amp": Feature("mV", "spiking", shape.amplitude_of_rank(1)),
    "APlast_amp": Feature("mV", "spiking", shape.amplitude_of_rank(-1)),
    "mean_AP_amplitude": Feature("mV", "spiking", shape.mean_ap_amplitude),
    "AP_amplitude_change": Feature("1", "spikes", shape.ap_amplitude_change),
    "AP_amplitude_from_voltagebase": Feature("mV", "spikes", shape.ap_amplitude_from_voltagebase),
    "AP_begin_time": Feature("ms", "spikes", shape.begin_time),
    "AP_begin_voltage": Feature("mV", "spikes", shape.begin_voltage),
    "AP_duration": Feature("ms", "spikes", shape.ap_duration),
    "AP_duration_half_width": Feature("ms", "spikes", shape.ap_duration_half_width),
    "AP_width": Feature("ms", "spikes", shape.ap_width),
    "spike_half_width": Feature("ms", "spikes", shape.spike_half_width),
    "AP1_width": Feature("ms", "spiking", shape.width_of_rank(0)),
    "AP2_width": Feature("ms", "spiking", shape.width_of_rank(1)),
    "APlast_width": Feature("ms", "spiking", shape.width_of_rank(-1)),
    "AP_rise_time": Feature("ms", "spikes", shape.ap_rise_time),
    "AP_fall_time": Feature("ms", "spikes", shape.ap_fall_time),
    "AP_rise_rate": Feature("V/s", "spikes", shape.ap_rise_rate),
    "AP_fall_rate": Feature("V/s", "spikes", shape.ap_fall_rate),
    "AP_peak_upstroke": Feature("V/s", "spikes", shape.ap_peak_upstroke),
    "AP_peak_downstroke": Feature("V/s", "spikes", shape.ap_peak_downstroke),
    "min_AHP_values": Feature("mV", "spikes", shape.min_ahp_values),
    "AHP_depth_abs": Feature("mV", "spikes", shape.min_ahp_values),
    "AHP_depth": Feature("mV", "spikes", shape.ahp_depth),
    "AHP_depth_from_peak": Feature("mV", "spikes", shape.ahp_depth_from_peak),
    "AHP_time_from_peak": Feature("ms", "spikes", shape.ahp_time_from_peak),
    "fast_AHP": Feature("mV", "spikes", shape.fast_ahp),
    "AHP_depth_abs_slow": Feature("mV", "spikes", shape.ahp_depth_abs_slow),
    "AHP_depth_slow": Feature("mV", "spikes", shape.ahp_depth_slow),
    "AHP_slow_time": Feature("1", "spikes", shape.ahp_slow_time),
    "depol_block_bool": Feature("1", "spiking", voltage.depol_block_bool),
    "voltage_base": Feature("mV", "voltage", voltage.voltage_base),
    "steady_state_voltage": Feature("mV", "voltage", voltage.steady_state_voltage),
    "steady_state_voltage_stimend": Feature("mV", "voltage", voltage.steady_state_voltage_stimend),
    "steady_state_hyper": Feature("mV", "voltage", voltage.steady_state_hyper),
    "voltage_after_stim": Feature("mV", "voltage", voltage.voltage_after_stim),
    "voltage_deflection": Feature("mV", "voltage", voltage.voltage_deflection),
    "voltage_deflection_begin": Feature("mV", "voltage", voltage.voltage_deflection_begin),
    "voltage_deflection_vb_ssse": Feature("mV", "voltage", voltage.voltage_deflection_vb_ssse),
    "ohmic_input_resistance": Feature("MΩ", "voltage", voltage.resistance(voltage.voltage_deflection)),
    "ohmic_input_resistance_vb_ssse": Feature(
        "MΩ", "voltage", voltage.resistance(voltage.voltage_deflection_vb_ssse)
    ),
    "minimum_voltage": Feature("mV", "voltage", voltage.minimum_voltage),
    "maximum_voltage": Feature("mV", "voltage", voltage.maximum_voltage),
    "maximum_voltage_from_voltagebase": Feature("mV", "voltage", voltage.maximum_voltage_from_voltagebase),
    "sag_amplitude": Feature("mV", "voltage", voltage.sag_amplitude),
    "sag_ratio1": Feature("1", "voltage", voltage.sag_ratio1),
    "sag_ratio2": Feature("1", "voltage", voltage.sag_ratio2),
    "decay_time_constant_after_stim": Feature("ms", "voltage", voltage.decay_time_constant_after_stim),
}
"""Name → feature. Values of a unit "V/s" are those in mV/ms."""

NEEDS_AMPLITUDE = ("ohmic_input_resistance", "ohmic_input_resistance_vb_ssse")
"""Features that need the amplitude of the stimulus."""
