TITLE Sodium channel with open-channel block, 13 states

COMMENT
The scheme of Raman & Bean (2001) Biophys J 80:729 at 22 degC: closed C1-C5, open O, blocked B, inactivated I1-I6.
ENDCOMMENT

NEURON {
    SUFFIX cax_rb
    USEION na READ ena WRITE ina
    RANGE g
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER {
    g = 0.015 (S/cm2)
    gamma = 150 (/ms)
    delta = 40 (/ms)
    epsilon = 1.75 (/ms)
    con = 0.005 (/ms)
    coff = 0.5 (/ms)
    oon = 0.75 (/ms)
    ooff = 0.005 (/ms)
}
ASSIGNED { v (mV) ena (mV) ina (mA/cm2) al (/ms) be (/ms) ze (/ms) a b }
STATE { C1 C2 C3 C4 C5 O B I1 I2 I3 I4 I5 I6 }
BREAKPOINT {
    SOLVE scheme METHOD sparse
    ina = g*O*(v - ena)
}
INITIAL {
    a = (oon/con)^0.25
    b = (ooff/coff)^0.25
    SOLVE scheme STEADYSTATE sparse
}
KINETIC scheme {
    al = 150*exp(v/20)
    be = 3*exp(-v/20)
    ze = 0.03*exp(-v/25)
    ~ C1 <-> C2 (4*al, be)
    ~ C2 <-> C3 (3*al, 2*be)
    ~ C3 <-> C4 (2*al, 3*be)
    ~ C4 <-> C5 (al, 4*be)
    ~ C5 <-> O (gamma, delta)
    ~ O <-> B (epsilon, ze)
    ~ O <-> I6 (oon, ooff)
    ~ I1 <-> I2 (4*al*a, be*b)
    ~ I2 <-> I3 (3*al*a, 2*be*b)
    ~ I3 <-> I4 (2*al*a, 3*be*b)
    ~ I4 <-> I5 (al*a, 4*be*b)
    ~ I5 <-> I6 (gamma, delta)
    ~ C1 <-> I1 (con, coff)
    ~ C2 <-> I2 (con*a, coff*b)
    ~ C3 <-> I3 (con*a^2, coff*b^2)
    ~ C4 <-> I4 (con*a^3, coff*b^3)
    ~ C5 <-> I5 (con*a^4, coff*b^4)
    CONSERVE C1 + C2 + C3 + C4 + C5 + O + B + I1 + I2 + I3 + I4 + I5 + I6 = 1
}
