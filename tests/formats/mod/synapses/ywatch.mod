: a conductance that opens at spikes and closes faster once the voltage has passed a threshold; a current in a time window
NEURON {
    POINT_PROCESS ywatch
    USEION ca READ eca, cai WRITE ica
    RANGE g, high, tau, k
    NONSPECIFIC_CURRENT i, j
}
PARAMETER {
    high = -55 (mV)
    tau = 6 (ms)
    k = 0.5
    onset = 25 (ms)
    amp = 0.02 (nanoamp)
    leaky = 0.2
}
ASSIGNED { v (mV) eca (mV) cai (mM) i (nanoamp) ica (nanoamp) j (nanoamp) rate (/ms) drive state }
STATE { g (microsiemens) m n }
INITIAL {
    g = 0
    m = 0.1
    n = 1
    rate = 1/tau
    drive = 0
    state = 0
    net_send(0, 1)
}
BREAKPOINT {
    SOLVE scheme METHOD sparse
    SOLVE states METHOD derivimplicit
    drive = leaky*g*n
    i = 5*drive*(v + 10)
    ica = 0.01*g*n*(v - eca)/(1 + 100*cai)
    if (at_time(onset)) { state = 0.25 }
    if (t > onset && t < onset + 10) { j = -amp*(1 + state) } else { j = 0 }
}
DERIVATIVE states {
    g' = -rate*g*(1 + 20*g)
    m' = (1 - m)/8 - m*drive*100
}
KINETIC scheme {
    LOCAL c
    c = 1 - n
    ~ n << (0.05*c - 4*g*n)
}
NET_RECEIVE(w (microsiemens)) {
    if (flag == 0) {
        g = g + w*m*k
        m = m*(1 - k) + 0.1*drive
    } else if (flag == 1) {
        WATCH (v > high) 2
    } else if (flag == 2) {
        rate = 2/tau
        WATCH (v < high - 3) 3
        net_send(4, 4)
    } else if (flag == 3) {
        rate = 1/tau
        WATCH (v > high) 2
    } else {
        g = 0.8*g
    }
}
