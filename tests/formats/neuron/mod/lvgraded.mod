TITLE a synapse that follows the voltage of another cell
NEURON {
    POINT_PROCESS lvgraded
    NONSPECIFIC_CURRENT i
    RANGE gmax, e, half
    POINTER vpre
}
PARAMETER { gmax = 1e-3 (uS) e = -80 (mV) half = -40 (mV) }
ASSIGNED { v (mV) vpre (mV) i (nA) }
STATE { s }
INITIAL { s = 0 }
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = gmax*s*(v - e)
}
DERIVATIVE states { s' = (1/(1 + exp(-(vpre - half)/5)) - s)/4 }
