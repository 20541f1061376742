: a synapse that saturates, depresses by connection, and takes its speed from the temperature
NEURON {
    POINT_PROCESS ysat
    RANGE tau, e, most, g
    NONSPECIFIC_CURRENT i
}
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }
PARAMETER {
    tau = 4 (ms)
    e = 0 (mV)
    most = 0.02 (uS)
    rec = 15 (ms)
    part = 0.4
}
ASSIGNED { v (mV) i (nA) celsius (degC) fast last (uS) }
STATE { g (uS) }
INITIAL {
    g = 0
    last = 0
    fast = 2.3^((celsius - 20)/10)
}
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = g*(v - e)
}
DERIVATIVE states { g' = -g*fast/tau }
NET_RECEIVE(weight (uS), x, t0 (ms)) {
    INITIAL { x = 1 t0 = 0 }
    x = 1 - (1 - x)*exp(-(t - t0)/rec)
    last = weight*x
    g = g + last*(1 - g/most)
    x = x*(1 - part)
    t0 = t
}
