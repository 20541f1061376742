: a rectifying gap between two cells; the current flows with the voltage of the other one
NEURON {
    POINT_PROCESS ygap
    POINTER vgap
    RANGE g, slope
    NONSPECIFIC_CURRENT i
}
PARAMETER { g = 0.004 (microsiemens) slope = 12 (mV) }
ASSIGNED { v (mV) vgap (mV) i (nanoamp) }
BREAKPOINT { i = g*(v - vgap)/(1 + exp((v - vgap)/slope)) }
