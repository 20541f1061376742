TITLE A slow current by METHOD euler, from a start that is no steady state

NEURON { SUFFIX zeuler NONSPECIFIC_CURRENT i RANGE g, e }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 0.0005 (S/cm2) e = -43 (mV) k = 9 (mV) }
ASSIGNED { v (mV) i (mA/cm2) pinf }
STATE { p }
INITIAL {
    p = 0.2
}
BREAKPOINT {
    SOLVE one METHOD euler
    i = g*p*(v - e)
}
DERIVATIVE one {
    pinf = 1/(1 + exp((v + 82)/k))
    p' = (pinf - p)/20
}
