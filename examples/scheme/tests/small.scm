; small.scm - run before a test: it does a part of its work, for collectors that are made to collect all the time.
(define (scaled n) (if (< n 1000) n (max 500 (quotient n 200))))
