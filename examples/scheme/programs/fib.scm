; fib.scm - calls of a procedure, small integers.
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(display (fib (sized 20 33))) (newline)
