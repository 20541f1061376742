TITLE Hyperpolarisation-activated cation current

COMMENT
i = g m (v - e): Kole, Hallermann & Stuart (2006) J Neurosci 26:1677, in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_ih
    NONSPECIFIC_CURRENT i
    RANGE g, e
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 8e-5 (S/cm2) e = -45 (mV) }
ASSIGNED { v (mV) i (mA/cm2) minf mtau }
STATE { m }
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = g*m*(v - e)
}
INITIAL {
    rates(v)
    m = minf
}
DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
}
PROCEDURE rates(v (mV)) {
    LOCAL a, b
    UNITSOFF
    a = 0.00643*ratio(-(v + 154.9), 11.9)
    b = 0.193*exp(v/33.1)
    minf = a/(a + b)
    mtau = 1/(a + b)
    UNITSON
}
FUNCTION ratio(x, y) {
    : x/(1 - exp(-x/y)), which is y at x = 0
    if (fabs(x/y) < 1e-6) { ratio = y*(1 + x/y/2) } else { ratio = x/(1 - exp(-x/y)) }
}
