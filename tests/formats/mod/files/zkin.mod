TITLE A scheme of five closed states and an open one, started at its steady state; counts, arrays and CONSERVE

NEURON { SUFFIX zkin USEION k READ ek WRITE ik RANGE gbar }
DEFINE N 4
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { gbar = 0.003 (S/cm2) ao = 0.4 (/ms) bo = 0.1 (/ms) ki = 0.02 (/ms) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) a (/ms) b (/ms) f[N] }
STATE { c[N] o i }
INITIAL { FROM k = 0 TO N-1 { f[k] = N - k } SOLVE kin STEADYSTATE sparse }
BREAKPOINT { SOLVE kin METHOD sparse ik = gbar*o*(v - ek) }
KINETIC kin {
    a = ao*exp((v + 30)/25)
    b = bo*exp(-(v + 40)/30)
    FROM k = 0 TO N-2 {
        ~ c[k] <-> c[k+1] (f[k]*a, (k + 1)*b)
    }
    ~ c[3] <-> o (a, 4*b)
    ~ o <-> i (ki, 0.5*ki)
    CONSERVE c[0] + c[1] + c[2] + c[3] + o + i = 1
}
