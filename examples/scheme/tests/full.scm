; full.scm - run before a test: it does all of its work.
(define (scaled n) n)
