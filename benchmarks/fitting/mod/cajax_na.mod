TITLE Transient sodium current

COMMENT
ina = g m^3 h (v - ena): Colbert & Pan (2002) Nat Neurosci 5:533, in the form of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
mhalf, hhalf are -38, -66 mV in the axon (NaTa_t), -32, -60 mV elsewhere (NaTs2_t); shift moves both.
Rates at 34 degC, as the published cells are used: qt = 2.3^((34 - 21)/10) where they were measured at 21 degC.
ENDCOMMENT

NEURON {
    SUFFIX cajax_na
    USEION na READ ena WRITE ina
    RANGE g, mhalf, hhalf, shift
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 0.02 (S/cm2) mhalf = -32 (mV) hhalf = -60 (mV) shift = 0 (mV) }
ASSIGNED { v (mV) ena (mV) ina (mA/cm2) minf mtau hinf htau }
STATE { m h }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = g*m*m*m*h*(v - ena)
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
    LOCAL qt, x, a, b
    UNITSOFF
    qt = 2.3^((34 - 21)/10)
    x = v - mhalf - shift
    a = 0.182*ratio(x, 6)
    b = 0.124*ratio(-x, 6)
    minf = a/(a + b)
    mtau = 1/(a + b)/qt
    x = v - hhalf - shift
    a = 0.015*ratio(-x, 6)
    b = 0.015*ratio(x, 6)
    hinf = a/(a + b)
    htau = 1/(a + b)/qt
    UNITSON
}
FUNCTION ratio(x, y) {
    : x/(1 - exp(-x/y)), which is y at x = 0
    if (fabs(x/y) < 1e-6) { ratio = y*(1 + x/y/2) } else { ratio = x/(1 - exp(-x/y)) }
}
