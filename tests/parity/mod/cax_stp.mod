TITLE Synapse with short-term depression and facilitation

COMMENT
Tsodyks, Pawelzik & Markram (1998) Neural Comput 10:821. At a spike: u <- u + U (1 - u), release u x, x <- x (1 - u).
Between spikes x recovers to 1 with tau_rec, u decays to 0 with tau_fac. The conductance is a falling exponential.
ENDCOMMENT

NEURON {
    POINT_PROCESS cax_stp
    RANGE tau, e, U, tau_rec, tau_fac, i
    NONSPECIFIC_CURRENT i
}
UNITS { (mV) = (millivolt) (nA) = (nanoamp) (uS) = (microsiemens) }
PARAMETER { tau = 2 (ms) e = 0 (mV) U = 0.5 tau_rec = 800 (ms) tau_fac = 0 (ms) }
ASSIGNED { v (mV) i (nA) x u last (ms) }
STATE { g (uS) }
INITIAL { g = 0 x = 1 u = 0 last = 0 }
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = g*(v - e)
}
DERIVATIVE states { g' = -g/tau }
NET_RECEIVE(w (uS)) {
    x = 1 - (1 - x)*exp(-(t - last)/tau_rec)
    if (tau_fac > 0) { u = u*exp(-(t - last)/tau_fac) } else { u = 0 }
    u = u + U*(1 - u)
    g = g + w*u*x
    x = x*(1 - u)
    last = t
}
