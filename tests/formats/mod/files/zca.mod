TITLE A calcium permeability by the equation of Goldman, Hodgkin and Katz

NEURON { SUFFIX zca USEION ca READ cai, cao WRITE ica RANGE p }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (mM) = (milli/liter) FARADAY = (faraday) (coulomb) R = (k-mole) (joule/degC) }
PARAMETER { p = 1e-4 (cm/s) }
ASSIGNED { v (mV) celsius (degC) cai (mM) cao (mM) ica (mA/cm2) }
STATE { m }
INITIAL { m = inf(v) }
BREAKPOINT { SOLVE gate METHOD cnexp ica = p*m*ghk(v, cai, cao) }
DERIVATIVE gate { m' = (inf(v) - m)/1.5 }
FUNCTION inf(v (mV)) { inf = 1/(1 + exp(-(v + 15)/7)) }
FUNCTION ghk(v (mV), ci (mM), co (mM)) (mC/cm3) { LOCAL z
    z = 1e-3*2*FARADAY*v/(R*(celsius + 273.15))
    ghk = 1e-3*2*FARADAY*(ci*efun(-z) - co*efun(z))
}
FUNCTION efun(z) { if (fabs(z) < 1e-4) { efun = 1 - z/2 } else { efun = z/(exp(z) - 1) } }
