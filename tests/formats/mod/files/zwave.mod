TITLE A wave of current into a cell between two moments, and a leak that opens when it begins

NEURON { POINT_PROCESS zwave ELECTRODE_CURRENT i RANGE del, dur, amp, gl }
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) PI = (pi) (1) }
PARAMETER { del = 7.03 (ms) dur = 21 (ms) amp = 0.12 (nA) period = 9 (ms) gl = 4e-4 (uS) el = -61 (mV) }
ASSIGNED { v (mV) i (nA) open peak (mV) }
INITIAL { open = 0 peak = v }
BREAKPOINT {
    SOLVE gate METHOD cvode_t
    if (t >= del && t < del + dur) { i = amp*(1 + sin(2*PI*(t - del)/period)) } else { i = 0 }
    i = i - gl*open*(v - el)
    if (v > peak) { peak = v }
}
PROCEDURE gate() { if (at_time(del)) { open = 1 } }
