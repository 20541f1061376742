TITLE half a gap junction
NEURON {
    POINT_PROCESS lvgap
    NONSPECIFIC_CURRENT i
    RANGE r
    POINTER vgap
}
PARAMETER { r = 1e3 (megohm) }
ASSIGNED { v (mV) vgap (mV) i (nA) }
BREAKPOINT { i = (v - vgap)/r }
