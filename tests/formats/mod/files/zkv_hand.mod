TITLE Potassium current whose gate a PROCEDURE advances by hand with dt

NEURON { SUFFIX zkv_hand USEION k READ ek WRITE ik RANGE gbar, ik GLOBAL ninf, nexp, q10 }
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { gbar = 0.003 (S/cm2) q10 = 2.3 vhalf = -25 (mV) dt (ms) celsius (degC) v (mV) }
ASSIGNED { ek (mV) ik (mA/cm2) ninf nexp tadj }
STATE { n }
INITIAL { tadj = q10^((celsius - 23)/10) rates(v) n = ninf }
BREAKPOINT { SOLVE states ik = gbar*n*n*(v - ek) }
PROCEDURE states() {
    rates(v)
    n = n + nexp*(ninf - n)
VERBATIM
    return 0;
ENDVERBATIM
}
PROCEDURE rates(v (mV)) { LOCAL a, b
    TABLE ninf, nexp DEPEND dt, celsius, q10, vhalf FROM -120 TO 60 WITH 360
    a = 0.02*(v - vhalf)/(1 - exp(-(v - vhalf)/9))
    b = -0.002*(v - vhalf)/(1 - exp((v - vhalf)/9))
    ninf = a/(a + b)
    nexp = 1 - exp(-dt*tadj*(a + b))
}
