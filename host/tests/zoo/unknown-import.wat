;; Wants what no run offers.
(component
  (import "evil:host/files" (instance $files (export "delete" (func))))
  (core func $delete (canon lower (func $files "delete")))
  (core module $task
    (import "files" "delete" (func $delete))
    (memory (export "memory") 1)
    (func (export "run") (result i32) (call $delete) (i32.const 0)))
  (core instance $t (instantiate $task (with "files" (instance (export "delete" (func $delete))))))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $t "run") (memory $t "memory"))))
