TITLE potassium current that calcium opens
NEURON {
    SUFFIX lvkca
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gbar
}
PARAMETER { gbar = 1e-3 (S/cm2) tau = 3 (ms) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) cai (mM) }
STATE { z }
INITIAL { z = zinf(cai) }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar * z * (v - ek)
}
DERIVATIVE states { z' = (zinf(cai) - z)/tau }
FUNCTION zinf(c (mM)) { zinf = 1/(1 + (4e-4/c)^4) }
