TITLE Two conductances of one synapse, one blocked by magnesium, and a depression of each connection

NEURON { POINT_PROCESS zdual NONSPECIFIC_CURRENT i RANGE ta, tb, e, mg, U, trec }
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) (mM) = (milli/liter) }
PARAMETER { ta = 2 (ms) tb = 40 (ms) e = 0 (mV) mg = 1 (mM) U = 0.4 trec = 300 (ms) ratio = 0.7 }
ASSIGNED { v (mV) i (nA) block }
STATE { A (uS) B (uS) }
INITIAL { A = 0 B = 0 }
BREAKPOINT {
    SOLVE decay METHOD cnexp
    block = 1/(1 + mg/3.57*exp(-0.062*v))
    i = (A + B*block)*(v - e)
}
DERIVATIVE decay { A' = -A/ta B' = -B/tb }
NET_RECEIVE(weight (uS), R, last (ms)) {
    INITIAL { R = 1 last = t }
    R = 1 - (1 - R)*exp(-(t - last)/trec)
    A = A + weight*R*U
    B = B + ratio*weight*R*U
    R = R*(1 - U)
    last = t
}
