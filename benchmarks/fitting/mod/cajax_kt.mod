TITLE Transient potassium current (K_Tst)

COMMENT
ik = g m^4 h (v - ek): Korngreen & Sakmann (2000) J Physiol 525:621, shifted by -10 mV,
in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_kt
    USEION k READ ek WRITE ik
    RANGE g
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 0.08 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) minf mtau hinf htau }
STATE { m h }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = g*m*m*m*m*h*(v - ek)
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
    minf = 1/(1 + exp(-u/19))
    mtau = (0.34 + 0.92*exp(-((u + 71)/59)^2))/qt
    hinf = 1/(1 + exp((u + 66)/10))
    htau = (8 + 49*exp(-((u + 73)/23)^2))/qt
    UNITSON
}
