TITLE high-threshold calcium current
NEURON {
    SUFFIX lvca
    USEION ca READ eca WRITE ica
    RANGE gbar
}
PARAMETER { gbar = 1e-4 (S/cm2) }
ASSIGNED { v (mV) eca (mV) ica (mA/cm2) }
STATE { m }
INITIAL { m = minf(v) }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = gbar * m * m * (v - eca)
}
DERIVATIVE states { m' = (minf(v) - m)/2 }
FUNCTION minf(v (mV)) { minf = 1/(1 + exp(-(v + 20)/7)) }
