TITLE States from equations: a nonlinear and a linear set, and tables

NEURON { SUFFIX zsolved NONSPECIFIC_CURRENT i RANGE g }
UNITS { (mV) = (millivolt) (mA) = (milliamp) }
PARAMETER { g = 4e-4 (S/cm2) e = -20 (mV) a = 1.3 }
ASSIGNED { v (mV) i (mA/cm2) s tau (ms) }
STATE { x z p q m }
INITIAL { x = 0.5 z = 0.5 SOLVE curved SOLVE straight rates(v) m = s }
BREAKPOINT { SOLVE curved SOLVE straight SOLVE gate METHOD cnexp i = g*m*x*(p + given(v))*(v - e) }
NONLINEAR curved {
    ~ x + 0.3*x*z = a
    ~ z + 0.2*x*x = 1/(1 + exp(-(v + 50)/10))
}
LINEAR straight {
    ~ p + 2*q = 1
    ~ p - (v + 80)/50*q = 0.2
}
DERIVATIVE gate { rates(v) m' = (s - m)/tau }
PROCEDURE rates(v (mV)) {
    TABLE s, tau FROM -100 TO 50 WITH 15
    s = 1/(1 + exp(-(v + 55)/6))
    tau = 1 + 4*exp(-(v + 50)^2/400)
}
FUNCTION_TABLE given(v (mV))
