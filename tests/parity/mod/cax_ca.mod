TITLE Calcium conductance with one activation gate; reverses at the Nernst potential

COMMENT
ica = g m^2 (v - eca), m_inf = 1/(1 + exp(-(v + 20)/6)), tau_m = 0.5 + 1.5/cosh((v + 20)/12) ms.
Written for the parity tests; a generic high-threshold current.
ENDCOMMENT

NEURON {
    SUFFIX cax_ca
    USEION ca READ eca WRITE ica
    RANGE g
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { g = 1e-3 (S/cm2) }
ASSIGNED { v (mV) eca (mV) ica (mA/cm2) minf tau (ms) }
STATE { m }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = g*m*m*(v - eca)
}
INITIAL { rates(v) m = minf }
DERIVATIVE states { rates(v) m' = (minf - m)/tau }
PROCEDURE rates(v (mV)) {
    minf = 1/(1 + exp(-(v + 20)/6))
    tau = 0.5 + 3/(exp((v + 20)/12) + exp(-(v + 20)/12))
}
