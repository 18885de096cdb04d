;; A task that tries to create an output outside of the outputs; it ends well only if that is refused.
(component
  (import "poai:task/outputs@0.1.0" (instance $outputs
    (type $cases (enum "invalid-name" "already-exists"))
    (export "error" (type $error (eq $cases)))
    (export "output" (type $output (sub resource)))
    (export "create" (func (param "name" string) (result (result (own $output) (error $error)))))))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 0) "../../etc/passwd")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $m (instantiate $memory))
  (core func $create (canon lower (func $outputs "create") (memory $m "memory") (realloc (func $m "realloc"))))
  (core module $task
    (import "outputs" "create" (func $create (param i32 i32 i32)))
    (import "m" "memory" (memory 1))
    (func (export "run") (result i32)
      (call $create (i32.const 0) (i32.const 16) (i32.const 64))
      (if (i32.eqz (i32.load8_u (i32.const 64))) (then unreachable))
      (i32.store (i32.const 128) (i32.const 0))
      (i32.const 128)))
  (core instance $t (instantiate $task
    (with "outputs" (instance (export "create" (func $create))))
    (with "m" (instance $m))))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $t "run") (memory $m "memory"))))
