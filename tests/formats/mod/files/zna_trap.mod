TITLE Sodium current with guarded rates, an instantaneous gate, an ELSE IF and an exponent that is a parameter

NEURON { SUFFIX zna_trap USEION na READ ena WRITE ina NONSPECIFIC_CURRENT i RANGE gbar, gl, el, power, minf, hinf, htau }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { gbar = 0.01 (mho/cm2) <0, 1e9> gl = 1e-5 (S/cm2) el = -65 (mV) power = 3 half = -38 (mV) lambda = 6 (mV) }
ASSIGNED { v (mV) ena (mV) ina (mA/cm2) i (mA/cm2) minf hinf htau (ms) }
STATE { h }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = gbar*minf^power*h*(v - ena)
    i = gl*(v - el)
}
INITIAL { rates(v) h = hinf }
DERIVATIVE states { rates(v) h' = (hinf - h)/htau }
FUNCTION trap(x, y) {
    if (fabs(x/y) < 1e-6) { trap = y*(1 - x/y/2) } else { trap = x/(exp(x/y) - 1) }
}
UNITSOFF
PROCEDURE rates(u) { LOCAL a, b
    a = 0.182*trap(-(u - half), lambda)
    b = 0.124*trap(u - half, lambda)
    minf = a/(a + b)
    hinf = 1/(1 + exp((u + 62)/6.2))
    if (u < -80) { htau = 2 } else if (u < -30) { htau = 2 + 0.1*(u + 80) } else { htau = 7 - 5*(1 - exp(-(u + 30)/20)) }
}
UNITSON
