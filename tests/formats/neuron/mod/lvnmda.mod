TITLE synapse with a magnesium block
NEURON {
    POINT_PROCESS lvnmda
    NONSPECIFIC_CURRENT i
    RANGE e, tau1, tau2, mg
}
PARAMETER { e = 0 (mV) tau1 = 2 (ms) tau2 = 30 (ms) mg = 1 (mM) }
ASSIGNED { v (mV) i (nA) }
STATE { A (uS) B (uS) }
INITIAL { A = 0 B = 0 }
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = (B - A)/(1 + 0.28*mg*exp(-0.062*v))*(v - e)
}
DERIVATIVE states { A' = -A/tau1 B' = -B/tau2 }
NET_RECEIVE(weight (uS)) { A = A + weight B = B + weight }
