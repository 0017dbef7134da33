; nqueens.scm - in how many ways n queens stand on a board: short lists.
(define (safe? row distance placed)
  (or (null? placed)
      (and (not (= (car placed) row))
           (not (= (car placed) (+ row distance)))
           (not (= (car placed) (- row distance)))
           (safe? row (+ distance 1) (cdr placed)))))
(define (queens n)
  (define (place column placed)
    (if (= column 0)
        1
        (let loop ((row 1) (ways 0))
          (if (> row n)
              ways
              (loop (+ row 1) (if (safe? row 1 placed) (+ ways (place (- column 1) (cons row placed))) ways))))))
  (place n '()))
(display (queens (sized 6 11))) (newline)
