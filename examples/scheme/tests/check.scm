; check.scm - run before a test: (check expected form) says ok or not ok; (checked) is the end of a test.
(define failures 0)
(define checks 0)
(define-syntax check
  (syntax-rules ()
    ((_ expected form)
     (let ((got (guard (e (#t (list 'raised e))) form)) (wanted expected))
       (set! checks (+ checks 1))
       (if (not (equal? got wanted))
           (begin
             (set! failures (+ failures 1))
             (display "not ok: ") (write 'form) (display " is ") (write got)
             (display ", not ") (write wanted) (newline)))))))
; What an error says, with its values; or that there was none.
(define-syntax error-of
  (syntax-rules ()
    ((_ form) (guard (e ((error-object? e) (cons (error-object-message e) (error-object-irritants e))) (#t e))
                form
                'no-error))))
(define (checked)
  (display checks) (display " checks, ") (display failures) (display " failures") (newline)
  (exit (if (= failures 0) 0 1)))
