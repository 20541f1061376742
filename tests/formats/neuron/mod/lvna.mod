TITLE fast sodium current with rates written as a trap
NEURON {
    SUFFIX lvna
    USEION na READ ena WRITE ina
    RANGE gbar, shift
    GLOBAL q10
}
PARAMETER { gbar = 0.05 (S/cm2) shift = 0 (mV) q10 = 2.3 }
ASSIGNED { v (mV) ena (mV) ina (mA/cm2) celsius (degC) minf mtau (ms) hinf htau (ms) }
STATE { m h }
INITIAL { rates(v) m = minf h = hinf }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = gbar * m^3 * h * (v - ena)
}
DERIVATIVE states { rates(v) m' = (minf - m)/mtau h' = (hinf - h)/htau }
FUNCTION trap(x, y) {
    if (fabs(x/y) < 1e-6) { trap = y*(1 - x/y/2) } else { trap = x/(exp(x/y) - 1) }
}
PROCEDURE rates(v (mV)) { LOCAL a, b, q
    q = q10^((celsius - 22)/10)
    a = 0.3*trap(-(v - shift + 38), 8)
    b = 0.2*trap(v - shift + 38, 8)
    minf = a/(a + b)
    mtau = 1/(a + b)/q
    a = 0.02*trap(v - shift + 65, 6)
    b = 0.02*trap(-(v - shift + 65), 6)
    hinf = a/(a + b)
    htau = 1/(a + b)/q
}
