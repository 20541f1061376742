TITLE Calcium in a shell under the membrane, emptied by a Michaelis-Menten pump

COMMENT
cai' = (influx - vmax cai/(cai + km) + leak)/depth, the leak keeping ci at rest. After Destexhe, Contreras,
Sejnowski & Steriade (1994) J Neurophysiol 72:803, quasi-steady.
ENDCOMMENT

NEURON {
    SUFFIX cax_pump
    USEION ca READ ica WRITE cai
    RANGE ci, vmax, km, depth
}
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (coulomb) }
PARAMETER { ci = 1e-4 (mM) vmax = 1e-4 (mM um/ms) km = 1e-3 (mM) depth = 0.1 (um) }
ASSIGNED { ica (mA/cm2) }
STATE { cai (mM) }
BREAKPOINT { SOLVE states METHOD derivimplicit }
INITIAL { cai = ci }
DERIVATIVE states {
    cai' = (-(1e4)*ica/(2*FARADAY) - vmax*(cai/(cai + km) - ci/(ci + km)))/depth
}
