TITLE a synapse that saturates, and remembers its last spike
NEURON {
    POINT_PROCESS lvsat
    NONSPECIFIC_CURRENT i
    RANGE e, tau, g
}
PARAMETER { e = 0 (mV) tau = 4 (ms) }
ASSIGNED { v (mV) i (nA) }
STATE { g (uS) }
INITIAL { g = 0 }
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = g*(v - e)
}
DERIVATIVE states { g' = -g/tau }
NET_RECEIVE(weight (uS), last (ms)) {
    INITIAL { last = -1000 }
    g = g + (weight - g)*(1 - 0.5*exp(-(t - last)/20))
    last = t
}
