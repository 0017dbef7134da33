; large.scm - run before a program: it takes long enough to be measured.
(define (sized small large) large)
