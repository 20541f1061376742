: release by the presynaptic voltage, states advanced by hand (after Destexhe, Mainen & Sejnowski 1994)
NEURON {
    POINT_PROCESS yrel
    POINTER pre
    RANGE gmax, C, R, lastrelease
    NONSPECIFIC_CURRENT i
    GLOBAL Cdur, Prethresh
}
PARAMETER {
    dt (ms)
    Cmax = 1 (mM)
    Cdur = 1.01 (ms)
    Alpha = 0.94 (/ms)
    Beta = 0.18 (/ms)
    Erev = 0 (mV)
    Prethresh = -10 (mV)
    Cdead = 1 (ms)
    gmax = 0.01 (microsiemens)
}
ASSIGNED { v (mV) i (nanoamp) C (mM) R R0 R1 Rinf Rtau (ms) pre (mV) lastrelease (ms) slow }
INITIAL {
    R = 0
    C = 0
    R0 = 0
    R1 = 0
    slow = 0
    Rinf = Cmax*Alpha/(Cmax*Alpha + Beta)
    Rtau = 1/(Alpha*Cmax + Beta)
    lastrelease = -1000
}
BREAKPOINT {
    SOLVE release
    i = gmax*(R + 0.1*slow)*(v - Erev)
}
PROCEDURE release() { LOCAL q
    q = (t - lastrelease) - Cdur
    if (q > Cdead) {
        if (pre > Prethresh) {
            C = Cmax
            R0 = R
            lastrelease = t
        }
    } else if (q < 0) {
    } else if (C == Cmax) {
        R1 = R
        C = 0
    }
    if (C > 0) {
        R = Rinf + (R0 - Rinf)*exptable(-(t - lastrelease)/Rtau)
    } else {
        R = R1*exptable(-Beta*(t - (lastrelease + Cdur)))
    }
    slow = slow + dt*(R - slow)/20
}
FUNCTION exptable(x) {
    if (x > -10 && x < 10) { exptable = exp(x) } else { exptable = 0 }
}
