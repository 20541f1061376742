TITLE calcium in a shell
NEURON {
    SUFFIX lvpool
    USEION ca READ ica WRITE cai
    RANGE depth, tau, rest
}
UNITS { FARADAY = (faraday) (coulomb) }
PARAMETER { depth = 0.1 (um) tau = 60 (ms) rest = 1e-4 (mM) }
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
BREAKPOINT { SOLVE states METHOD cnexp }
DERIVATIVE states { cai' = -1e4*0.05*ica/(2*FARADAY*depth) - (cai - rest)/tau }
