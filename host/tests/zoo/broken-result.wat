;; Answers with a text that lies outside of its memory.
(component
  (core module $task
    (memory (export "memory") 1)
    (func (export "run") (result i32)
      (i32.store (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (i32.const -16))
      (i32.store (i32.const 8) (i32.const 1000))
      (i32.const 0)))
  (core instance $t (instantiate $task))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $t "run") (memory $t "memory"))))
