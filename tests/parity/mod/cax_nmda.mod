TITLE NMDA synapse: two exponentials and the magnesium block of Jahr & Stevens (1990) J Neurosci 10:3178

NEURON {
    POINT_PROCESS cax_nmda
    RANGE rise, decay, e, mg, i
    NONSPECIFIC_CURRENT i
}
UNITS { (mV) = (millivolt) (nA) = (nanoamp) (uS) = (microsiemens) (mM) = (milli/liter) }
PARAMETER { rise = 0.29 (ms) decay = 43 (ms) e = 0 (mV) mg = 1 (mM) }
ASSIGNED { v (mV) i (nA) factor }
STATE { a (uS) b (uS) }
INITIAL {
    LOCAL tp
    a = 0
    b = 0
    tp = rise*decay/(decay - rise)*log(decay/rise)
    factor = 1/(exp(-tp/decay) - exp(-tp/rise))
}
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = (b - a)/(1 + mg/3.57*exp(-0.062*v))*(v - e)
}
DERIVATIVE states { a' = -a/rise b' = -b/decay }
NET_RECEIVE(w (uS)) { a = a + w*factor b = b + w*factor }
