TITLE Fast potassium current (SKv3_1)

COMMENT
ik = g m (v - ek): Rettig et al. (1992) EMBO J 11:2473, in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_kv31
    USEION k READ ek WRITE ik
    RANGE g
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 0.3 (S/cm2) }
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
    UNITSOFF
    minf = 1/(1 + exp(-(v - 18.7)/9.7))
    mtau = 4/(1 + exp(-(v + 46.56)/44.14))
    UNITSON
}
