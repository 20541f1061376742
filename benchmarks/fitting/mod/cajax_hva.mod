TITLE High-threshold calcium current (Ca_HVA)

COMMENT
ica = g m^2 h (v - eca): Reuveni et al. (1993) J Neurosci 13:4609, in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
slow multiplies both time constants.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_hva
    USEION ca READ eca WRITE ica
    RANGE g, slow
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 1e-3 (S/cm2) slow = 1 }
ASSIGNED { v (mV) eca (mV) ica (mA/cm2) minf mtau hinf htau }
STATE { m h }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = g*m*m*h*(v - eca)
}
INITIAL {
    rates(v)
    m = minf
    h = hinf
}
DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
}
PROCEDURE rates(v (mV)) {
    LOCAL a, b
    UNITSOFF
    a = 0.055*ratio(v + 27, 3.8)
    b = 0.94*exp(-(v + 75)/17)
    minf = a/(a + b)
    mtau = slow/(a + b)
    a = 0.000457*exp(-(v + 13)/50)
    b = 0.0065/(1 + exp(-(v + 15)/28))
    hinf = a/(a + b)
    htau = slow/(a + b)
    UNITSON
}
FUNCTION ratio(x, y) {
    : x/(1 - exp(-x/y)), which is y at x = 0
    if (fabs(x/y) < 1e-6) { ratio = y*(1 + x/y/2) } else { ratio = x/(1 - exp(-x/y)) }
}
