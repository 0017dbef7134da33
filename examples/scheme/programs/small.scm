; small.scm - run before a program: it is done soon.
(define (sized small large) small)
