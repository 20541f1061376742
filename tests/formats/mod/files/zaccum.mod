TITLE Sodium inside and potassium outside, which flow in and out and go back

NEURON { SUFFIX zaccum USEION na READ ina WRITE nai USEION k READ ik WRITE ko RANGE tau }
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (10000 coulomb) }
PARAMETER { tau = 40 (ms) space = 0.05 (um) narest = 12 (mM) korest = 3 (mM) }
ASSIGNED { ina (mA/cm2) ik (mA/cm2) nai (mM) diam (um) }
STATE { n (mM) ko (mM) }
INITIAL { n = narest nai = n ko = korest }
BREAKPOINT { SOLVE move METHOD derivimplicit }
DERIVATIVE move {
    n' = -ina*4/(diam*FARADAY) + (narest - n)/tau
    ko' = ik/(space*FARADAY) + (korest - ko)/tau
    nai = n
}
