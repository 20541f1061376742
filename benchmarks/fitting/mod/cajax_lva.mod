TITLE Low-threshold calcium current (Ca_LVAst)

COMMENT
ica = g m^2 h (v - eca): Avery & Johnston (1996) J Neurosci 16:5567, times of Randall & Tsien (1997)
Neuropharmacology 36:879, shifted by -10 mV, in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
slow multiplies both time constants.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_lva
    USEION ca READ eca WRITE ica
    RANGE g, slow
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 3e-3 (S/cm2) slow = 1 }
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
    LOCAL qt, u
    UNITSOFF
    qt = 2.3^((34 - 21)/10)
    u = v + 10
    minf = 1/(1 + exp(-(u + 30)/6))
    mtau = slow*(5 + 20/(1 + exp((u + 25)/5)))/qt
    hinf = 1/(1 + exp((u + 80)/6.4))
    htau = slow*(20 + 50/(1 + exp((u + 40)/7)))/qt
    UNITSON
}
