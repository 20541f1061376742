TITLE Calcium in a shell under the membrane, with decay

COMMENT
cai' = gamma influx/depth - (cai - ci)/tau: Destexhe, Mainen & Sejnowski (1994) J Comput Neurosci 1:195.
derivimplicit is one implicit Euler step for this linear equation.
ENDCOMMENT

NEURON {
    SUFFIX cax_pool
    USEION ca READ ica WRITE cai
    RANGE ci, gamma, depth, tau
}
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (coulomb) }
PARAMETER { ci = 1e-4 (mM) gamma = 0.05 depth = 0.1 (um) tau = 80 (ms) }
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
BREAKPOINT { SOLVE states METHOD derivimplicit }
INITIAL { cai = ci }
DERIVATIVE states { cai' = -(1e4)*gamma*ica/(2*FARADAY*depth) - (cai - ci)/tau }
