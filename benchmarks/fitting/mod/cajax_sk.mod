TITLE Calcium-activated potassium current (SK_E2)

COMMENT
ik = g z (v - ek), z_inf = 1/(1 + (0.00043/cai)^4.8), tau 1 ms: Koehler et al. (1996) Science 273:1709,
in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
ENDCOMMENT

NEURON {
    SUFFIX cajax_sk
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE g
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (mM) = (milli/liter) (S) = (siemens) }
PARAMETER { g = 0.04 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) cai (mM) zinf }
STATE { z }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = g*z*(v - ek)
}
INITIAL {
    rates(cai)
    z = zinf
}
DERIVATIVE states {
    rates(cai)
    z' = zinf - z
}
PROCEDURE rates(c (mM)) {
    UNITSOFF
    if (c < 1e-7) { zinf = 1/(1 + (0.00043/1e-7)^4.8) } else { zinf = 1/(1 + (0.00043/c)^4.8) }
    UNITSON
}
