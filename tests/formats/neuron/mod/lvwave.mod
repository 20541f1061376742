TITLE an electrode that passes a wave
NEURON {
    POINT_PROCESS lvwave
    ELECTRODE_CURRENT i
    RANGE amp, freq
}
PARAMETER { amp = 0.1 (nA) freq = 100 (/s) }
ASSIGNED { i (nA) }
BREAKPOINT {
    i = amp*sin(0.0062831853*freq*t)
}
