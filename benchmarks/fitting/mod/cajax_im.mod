TITLE Muscarinic potassium (M) current

COMMENT
ik = g m (v - ek): Adams et al. (1982) J Physiol 330:537, in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
slow multiplies the time constant.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_im
    USEION k READ ek WRITE ik
    RANGE g, slow
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 1e-4 (S/cm2) slow = 1 }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) minf mtau }
STATE { m }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = g*m*(v - ek)
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
    LOCAL qt, a, b
    UNITSOFF
    qt = 2.3^((34 - 21)/10)
    a = 3.3e-3*exp((v + 35)/10)
    b = 3.3e-3*exp(-(v + 35)/10)
    minf = a/(a + b)
    mtau = slow/(a + b)/qt
    UNITSON
}
