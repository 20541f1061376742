: transmitter for a time, counted by connection; it ends by an event that the synapse sends to itself
NEURON {
    POINT_PROCESS ydur
    RANGE Cdur, Alpha, Beta, e, g
    NONSPECIFIC_CURRENT i
}
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }
PARAMETER {
    Cdur = 1.7 (ms)
    Alpha = 0.8 (/ms)
    Beta = 0.2 (/ms)
    e = -5 (mV)
    delay = 2.5 (ms)
    echo = 0.3
}
ASSIGNED { v (mV) i (nA) g (uS) synon Rinf Rtau (ms) }
STATE { Ron Roff late }
INITIAL {
    Rinf = Alpha/(Alpha + Beta)
    Rtau = 1/(Alpha + Beta)
    synon = 0
    late = 0
}
BREAKPOINT {
    SOLVE release METHOD cnexp
    g = Ron + Roff + late
    i = g*(v - e)
}
DERIVATIVE release {
    Ron' = (synon*Rinf - Ron)/Rtau
    Roff' = -Beta*Roff
    late' = -Beta*late
}
NET_RECEIVE(weight, on, nspike, r0, t0 (ms)) {
    if (flag == 0) {
        nspike = nspike + 1
        if (!on) {
            r0 = r0*exp(-Beta*(t - t0))
            t0 = t
            on = 1
            synon = synon + weight
            Ron = Ron + r0
            Roff = Roff - r0
        }
        net_send(Cdur, nspike)
        net_send(delay, -1)
    }
    if (flag == -1) { late = late + echo*weight }
    if (flag == nspike) {
        r0 = weight*Rinf + (r0 - weight*Rinf)*exp(-(t - t0)/Rtau)
        t0 = t
        synon = synon - weight
        Ron = Ron - r0
        Roff = Roff + r0
        on = 0
    }
}
