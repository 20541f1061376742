TITLE Calcium in shells of a cylinder that diffuses along it, and a pool that an electrogenic pump empties

NEURON { SUFFIX zpumped USEION ca READ ica, cao, cai WRITE cai, ica RANGE depth, kout }
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (10000 coulomb) }
PARAMETER { depth = 2 (um) kon = 300 (/mM-ms) koff = 0.05 (/ms) kout = 0.1 (/ms) total = 1e-3 (mM um) basal = 1e-4 (mM) }
ASSIGNED { ica (mA/cm2) cao (mM) cai (mM) area (um2) ipump (mA/cm2) last (mA/cm2) leak (mA/cm2) celsius (degC) }
STATE { c (mM) pump (mM um) pumpca (mM um) }
INITIAL { c = basal pumpca = total*basal*kon/(koff + kout + kon*basal) pump = total - pumpca cai = c
    leak = 2*FARADAY*kout*pumpca ipump = 0 }
BREAKPOINT { SOLVE flow METHOD sparse last = ipump ica = ipump }
KINETIC flow {
    COMPARTMENT depth {c}
    ~ c << (-(ica - last)/(2*FARADAY))
    ~ c + pump <-> pumpca (kon, koff)
    ~ pumpca <-> pump (kout, 0)
    ipump = 2*FARADAY*(f_flux - b_flux)*1.02^((celsius - 22)/10) - leak
    cai = c
}
