TITLE Calcium permeability with one activation gate; Goldman-Hodgkin-Katz current

COMMENT
ica = p m^2 * P z F x (cai - cao exp(-x))/(1 - exp(-x)), x = z F v/(R T); Hodgkin & Katz (1949) J Physiol 108:37.
The gate is that of cax_ca.
ENDCOMMENT

NEURON {
    SUFFIX cax_ghk
    USEION ca READ cai, cao WRITE ica
    RANGE p
}
UNITS {
    (mV) = (millivolt) (mA) = (milliamp) (mM) = (milli/liter)
    FARADAY = (faraday) (coulomb)
    R = (k-mole) (joule/degC)
}
PARAMETER { p = 1e-4 (cm/s) celsius (degC) }
ASSIGNED { v (mV) cai (mM) cao (mM) ica (mA/cm2) minf tau (ms) }
STATE { m }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = p*m*m*ghk(v, cai, cao)
}
INITIAL { rates(v) m = minf }
DERIVATIVE states { rates(v) m' = (minf - m)/tau }
PROCEDURE rates(v (mV)) {
    minf = 1/(1 + exp(-(v + 20)/6))
    tau = 0.5 + 3/(exp((v + 20)/12) + exp(-(v + 20)/12))
}
FUNCTION ghk(v (mV), ci (mM), co (mM)) (.001 coul/cm3) {
    LOCAL x, e
    x = (1e-3)*2*FARADAY*v/(R*(celsius + 273.15))
    if (fabs(x) < 1e-4) { e = 1 - x/2 } else { e = x/(exp(x) - 1) }
    : e = x/(e^x - 1), and x/(1 - e^-x) = e + x
    ghk = (1e-3)*2*FARADAY*((e + x)*ci - e*co)
}
