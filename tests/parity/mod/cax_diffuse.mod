TITLE One well-mixed volume per segment, with decay and longitudinal diffusion

COMMENT
c' = 4 influx/diam - (c - ci)/tau + d d2c/dx2.
ENDCOMMENT

NEURON {
    SUFFIX cax_diffuse
    USEION ca READ cai, ica WRITE cai
    RANGE ci, d, tau
}
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (10000 coulomb) PI = (pi) (1) }
PARAMETER { ci = 1e-4 (mM) d = 0.6 (um2/ms) tau = 50 (ms) }
ASSIGNED { diam (um) cai (mM) ica (mA/cm2) }
STATE { c (mM) }
BREAKPOINT { SOLVE scheme METHOD sparse }
INITIAL { c = ci cai = ci }
KINETIC scheme {
    COMPARTMENT PI*diam*diam/4 {c}
    LONGITUDINAL_DIFFUSION d*PI*diam*diam/4 {c}
    ~ c << (-ica*PI*diam/(2*FARADAY) + ci/tau*PI*diam*diam/4)
    ~ c -> (PI*diam*diam/4/tau)
    cai = c
}
