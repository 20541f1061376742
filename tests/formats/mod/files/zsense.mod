TITLE Potassium that opens with the calcium current, more so in thick branches, and closes while the cell is excited

NEURON { SUFFIX zsense USEION ca READ ica USEION k READ ek WRITE ik RANGE gbar, half }
UNITS { (mV) = (millivolt) (mA) = (milliamp) }
PARAMETER { gbar = 2e-3 (S/cm2) half = 2e-3 (mA/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) ica (mA/cm2) diam (um) area (um2) shrink seen share }
STATE { n }
INITIAL { n = 0.01 seen = 0 }
BEFORE BREAKPOINT { share = area/(area + 300) }
BREAKPOINT {
    if (gbar == 0) { ik = 0 } else {
        SOLVE states METHOD cnexp
        if (v > -45) { seen = 1 }
        shrink = 1/(1 + seen)
        ik = gbar*share*n*(0.3 + shrink)*(v - ek)
    }
}
DERIVATIVE states { LOCAL x
    x = -ica*diam/20
    n' = (x/(x + half) - n)/4
}
AFTER SOLVE { n = n*(1 - 1e-4) }
