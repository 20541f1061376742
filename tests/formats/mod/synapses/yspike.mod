: a cell that fires and sets its voltage (after Izhikevich 2003), driven through its recovery variable
NEURON {
    POINT_PROCESS yspike
    RANGE a, b, c, d, drive, thresh, scale, u
    NONSPECIFIC_CURRENT i
}
PARAMETER {
    a = 0.02 (/ms)
    b = 0.2 (/ms)
    c = -65 (mV)
    d = 6 (mV/ms)
    drive = 22
    thresh = 30 (mV)
    scale = 0.01257 (nanofarad)
    push = 200 (mV/ms/uS)
}
ASSIGNED { v (mV) i (nanoamp) fired }
STATE { u (mV/ms) }
INITIAL {
    u = b*v
    fired = 0
    net_send(0, 1)
}
BREAKPOINT {
    SOLVE states METHOD cnexp
    i = -scale*(0.04*v*v + 5*v + 140 - u + drive)
}
DERIVATIVE states { u' = a*(b*v - u) }
NET_RECEIVE(w (uS)) {
    if (flag == 0) {
        u = u - push*w
    } else if (flag == 1) {
        WATCH (v > thresh) 2
    } else if (flag == 2) {
        net_event(t)
        fired = fired + 1
        v = c
        u = u + d + 0.1*fired
    }
}
