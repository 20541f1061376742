TITLE Calcium that only comes in, bound by a buffer, in a cylinder of the cell's diameter

NEURON { SUFFIX zpool USEION ca READ ica, cai WRITE cai RANGE tau, total }
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (10000 coulomb) PI = (pi) (1) }
PARAMETER { tau = 6 (ms) rest = 1e-4 (mM) total = 0.01 (mM) kf = 50 (/mM-ms) kb = 0.05 (/ms) }
ASSIGNED { ica (mA/cm2) cai (mM) diam (um) drive (mM um2/ms) }
STATE { ca (mM) buf (mM) bound (mM) }
INITIAL { ca = rest buf = total*kb/(kb + kf*rest) bound = total - buf cai = ca }
BREAKPOINT { SOLVE flow METHOD sparse }
KINETIC flow {
    COMPARTMENT PI*diam*diam/4 {ca buf bound}
    drive = -ica*PI*diam/(2*FARADAY)
    if (drive < 0) { drive = 0 }
    ~ ca << (drive + (rest - ca)*PI*diam*diam/(4*tau))
    ~ ca + buf <-> bound (kf*PI*diam*diam/4, kb*PI*diam*diam/4)
    cai = ca
}
