TITLE Calcium current with a calcium shell of its own that gates it

NEURON { SUFFIX zca_local USEION ca READ eca WRITE ica RANGE gbar, c, tauc GLOBAL shift }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (mM) = (milli/liter) (S) = (siemens) FARADAY = (faraday) (coulomb) }
PARAMETER { gbar = 0.001 (S/cm2) tauc = 5 (ms) kc = 0.01 (mM) depth = 0.1 (um) shift = 3 (mV) }
ASSIGNED { v (mV) eca (mV) ica (mA/cm2) minf mtau (ms) v0 (mV) drive }
STATE { m c (mM) }
INITIAL { v0 = v + shift rates(v) m = 0.3*minf c = 1e-4 }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = gbar*m*m/(1 + c/kc)*(v - eca)*(1 + 1e-3*(v0 + 70))
}
DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    drive = -ica*10000/(2*FARADAY*depth)
    if (drive < 0) { drive = 0 }
    c' = drive - (c - 1e-4)/tauc
}
PROCEDURE rates(v (mV)) { minf = 1/(1 + exp(-(v + 20)/6)) mtau = 0.5 + 3/(1 + exp((v + 35)/10)) }
