// The error function to a few ε absolute: piecewise rationals of FreeBSD's msun, s_erff.c, whose notice says:
//
// Conversion to float by Ian Lance Taylor, Cygnus Support. Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved.
// Developed at SunPro, a Sun Microsystems, Inc. business. Permission to use, copy, modify, and distribute this software is
// freely granted, provided that this notice is preserved.
//
// Its last piece, [1/0.35, 6], is left out: erfc is below 6e-5 there and the piece before it is right to 1e-4 of that.

fn erf_near_0(x: f32) -> f32 {
    let z = x * x;
    let p = 1.2837916613e-1 + z * (-3.2504209876e-1 + z * (-2.8481749818e-2 + z * (-5.7702702470e-3 + z * -2.3763017452e-5)));
    let q = 1.0 + z * (3.9791721106e-1 + z * (6.5022252500e-2 + z * (5.0813062117e-3 + z * (1.3249473704e-4 + z * -3.9602282413e-6))));
    return x + x * (p / q);
}

fn erf_near_1(x: f32) -> f32 {
    let s = x - 1.0;
    let p = -2.3621185683e-3 + s * (4.1485610604e-1 + s * (-3.7220788002e-1 + s * (3.1834661961e-1
        + s * (-1.1089469492e-1 + s * (3.5478305072e-2 + s * -2.1663755178e-3)))));
    let q = 1.0 + s * (1.0642088205e-1 + s * (5.4039794207e-1 + s * (7.1828655899e-2
        + s * (1.2617121637e-1 + s * (1.3637083583e-2 + s * 1.1984500103e-2)))));
    return 8.4506291151e-1 + p / q;
}

fn erf_tail(x: f32) -> f32 {
    let s = 1.0 / (x * x);
    let r = -9.8649440333e-3 + s * (-6.9385856390e-1 + s * (-1.0558626175e+1 + s * (-6.2375331879e+1
        + s * (-1.6239666748e+2 + s * (-1.8460508728e+2 + s * (-8.1287437439e+1 + s * -9.8143291473))))));
    let d = 1.0 + s * (1.9651271820e+1 + s * (1.3765776062e+2 + s * (4.3456588745e+2 + s * (6.4538726807e+2
        + s * (4.2900814819e+2 + s * (1.0863500214e+2 + s * (6.5702495575 + s * -6.0424413532e-2)))))));
    return 1.0 - exp(-x * x - 0.5625 + r / d) / x;
}

fn erf(x: f32) -> f32 {
    let t = abs(x);
    var y = 1.0;
    if t < 0.84375 {
        y = erf_near_0(t);
    } else if t < 1.25 {
        y = erf_near_1(t);
    } else if t < 4.0 {
        y = erf_tail(t);
    }
    return select(y, -y, x < 0.0);
}
