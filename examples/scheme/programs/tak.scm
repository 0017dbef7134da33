; tak.scm - Takeuchi's function: calls with three arguments.
(define (tak x y z) (if (not (< y x)) z (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))
(display (tak (sized 12 24) (sized 8 16) (sized 4 8))) (newline)
