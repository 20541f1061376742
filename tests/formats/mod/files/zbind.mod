TITLE Potassium current opened by two calcium ions from a store: a scheme that is not linear, and a nonlinear DERIVATIVE

NEURON { SUFFIX zbind USEION k READ ek WRITE ik RANGE gbar }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) (mM) = (milli/liter) }
PARAMETER { gbar = 0.01 (S/cm2) kon = 900 (/mM2-ms) koff = 0.05 (/ms) store = 0.02 (mM) tau = 7 (ms) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) s leak (/ms) }
STATE { ca (mM) free bound w x }
INITIAL { ca = store free = 1 bound = 0 w = 1 x = 0.5 }
BREAKPOINT {
    SOLVE bind METHOD sparse
    SOLVE slow METHOD derivimplicit
    ik = gbar*bound*w*(v - ek)
}
KINETIC bind {
    s = 1/(1 + exp(-(v + 45)/8))
    leak = 0.2
    ~ 2ca + free <-> bound (kon*s, koff)
    ~ ca << (leak*(store - ca))
    CONSERVE free + bound = 1
}
DERIVATIVE slow { w' = (1 - w)/tau - w*w*bound/tau  x' = w*(1 - x)/tau - x/(3*tau) }
