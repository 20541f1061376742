TITLE delayed potassium current in a table
NEURON {
    SUFFIX lvkv
    USEION k READ ek WRITE ik
    RANGE gbar
}
PARAMETER { gbar = 0.01 (S/cm2) half = -30 (mV) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) ninf ntau (ms) }
STATE { n }
INITIAL { rates(v) n = ninf }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar * n * (v - ek)
}
DERIVATIVE states { rates(v) n' = (ninf - n)/ntau }
PROCEDURE rates(v (mV)) {
    TABLE ninf, ntau DEPEND half FROM -120 TO 80 WITH 400
    ninf = 1/(1 + exp(-(v - half)/9))
    ntau = 1 + 4*exp(-((v + 40)/30)^2)
}
