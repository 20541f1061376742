TITLE Persistent potassium current (K_Pst)

COMMENT
ik = g m^2 h (v - ek): Korngreen & Sakmann (2000) J Physiol 525:621, shifted by -10 mV,
in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_kp
    USEION k READ ek WRITE ik
    RANGE g
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 2e-3 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) minf mtau hinf htau }
STATE { m h }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = g*m*m*h*(v - ek)
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
    minf = 1/(1 + exp(-(u + 1)/12))
    if (u < -50) { mtau = (1.25 + 175.03*exp(0.026*u))/qt } else { mtau = (1.25 + 13*exp(-0.026*u))/qt }
    hinf = 1/(1 + exp((u + 54)/11))
    htau = (360 + (1010 + 24*(u + 55))*exp(-((u + 75)/48)^2))/qt
    UNITSON
}
