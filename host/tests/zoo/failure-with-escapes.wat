;; Says that it failed, with words that would take over a terminal.
(component
  (core module $task
    (memory (export "memory") 1)
    (data (i32.const 64) "\1b]0;owned\07\1b[2Jbad")
    (func (export "run") (result i32)
      (i32.store (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 17))
      (i32.const 0)))
  (core instance $t (instantiate $task))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $t "run") (memory $t "memory"))))
