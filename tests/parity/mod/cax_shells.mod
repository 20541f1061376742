TITLE Radial and longitudinal diffusion of calcium, a fixed buffer, and a pump in the outermost of four annuli

COMMENT
The annuli of De Schutter & Smolen (1998) in Koch & Segev (eds), Methods in Neuronal Modeling: outermost and innermost
are half as thick as the others. In each ca + buf <-> cabuf. Volumes are per length and per diam^2.
ENDCOMMENT

NEURON {
    SUFFIX cax_shells
    USEION ca READ cai, ica WRITE cai
    RANGE ci, d, total, kf, kb, vmax, km
}
DEFINE N 4
UNITS { (mA) = (milliamp) (mM) = (milli/liter) (um) = (micron) FARADAY = (faraday) (10000 coulomb) PI = (pi) (1) }
PARAMETER {
    ci = 5e-5 (mM)
    d = 0.6 (um2/ms)
    total = 0.003 (mM)
    kf = 100 (/mM-ms)
    kb = 0.1 (/ms)
    vmax = 0 (mM um/ms)
    km = 1e-3 (mM)
}
ASSIGNED { diam (um) cai (mM) ica (mA/cm2) vol[N] edge[N] out (mM um/ms) }
STATE { ca[N] (mM) <1e-8> buf[N] (mM) cabuf[N] (mM) }
BREAKPOINT { SOLVE scheme METHOD sparse }
INITIAL {
    geometry()
    FROM i = 0 TO N-1 {
        ca[i] = ci
        buf[i] = total*kb/(kb + kf*ci)
        cabuf[i] = total - buf[i]
    }
    cai = ci
}
PROCEDURE geometry() {
    LOCAL outer, inner, thick
    : radii relative to the diameter: 1/2 at the membrane; volume per length and diam^2; circumference/distance
    thick = 0.5/(N - 1)
    outer = 0.5
    FROM i = 0 TO N-1 {
        if (i == N-1) { inner = 0 } else { inner = 0.5 - thick*(i + 0.5) }
        vol[i] = PI*(outer*outer - inner*inner)
        edge[i] = 2*PI*inner/thick
        outer = inner
    }
}
KINETIC scheme {
    COMPARTMENT i, diam*diam*vol[i] {ca buf cabuf}
    LONGITUDINAL_DIFFUSION i, d*diam*diam*vol[i] {ca}
    out = vmax*(ca[0]/(ca[0] + km) - ci/(ci + km))
    ~ ca[0] << (-ica*PI*diam/(2*FARADAY) - out*PI*diam)
    FROM i = 0 TO N-2 {
        ~ ca[i] <-> ca[i+1] (d*edge[i], d*edge[i])
    }
    FROM i = 0 TO N-1 {
        ~ ca[i] + buf[i] <-> cabuf[i] (kf*diam*diam*vol[i], kb*diam*diam*vol[i])
    }
    cai = ca[0]
}
